//! The compiled contracts as they are committed: what a deployer and a client need, and nothing that depends on where it
//! was built.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Project;
use crate::process::Failure;

/// The contracts that are deployed, each with the source it stands in. The token is for demonstrations and tests.
const CONTRACTS: [(&str, &str); 3] =
    [("Escrow", "Escrow"), ("NetSettlement", "NetSettlement"), ("Tokens", "PlainToken")];

/// The committed files are what the compiler makes of the sources, byte for byte.
pub(super) fn check(project: &Project) -> Result<(), Failure> {
    for (source, name) in CONTRACTS {
        let path = committed(project, name);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found != built(project, source, name)? {
            return Err(Failure::new(format!(
                "{} is not what the sources compile to; `cargo xtask contracts --bless` writes it",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Writes the committed files.
pub(super) fn write(project: &Project) -> Result<(), Failure> {
    for (source, name) in CONTRACTS {
        std::fs::write(committed(project, name), built(project, source, name)?)?;
    }
    Ok(())
}

fn committed(project: &Project, name: &str) -> PathBuf {
    project.root.join("artefacts").join(format!("{name}.json"))
}

/// One entry of the ABI a line, so that a change reads well.
fn built(project: &Project, source: &str, name: &str) -> Result<String, Failure> {
    let path = project.output.join("out").join(format!("{source}.sol")).join(format!("{name}.json"));
    let text = std::fs::read(&path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| Failure::new(error.to_string()))?;
    let entries = value["abi"].as_array().map(Vec::as_slice).unwrap_or_default();
    let abi: Vec<String> = entries.iter().map(|entry| format!("  {entry}")).collect();
    let compiler = &value["metadata"]["compiler"]["version"];
    let settings = json!({
        "evmVersion": value["metadata"]["settings"]["evmVersion"],
        "optimizer": value["metadata"]["settings"]["optimizer"],
    });
    Ok(format!(
        "{{\n \"contract\": {},\n \"compiler\": {compiler},\n \"settings\": {settings},\n \"abi\": [\n{}\n ],\n \"bytecode\": {}\n}}\n",
        json!(name),
        abi.join(",\n"),
        value["bytecode"]["object"],
    ))
}

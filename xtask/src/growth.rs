//! `cargo xtask growth FOLDER`: how throughput and memory change with the number of connections and channels.
//!
//! Writes `growth.json`, `growth.md` and `growth.svg` into the folder. A hundred thousand connections need some 3 GiB
//! for the hub and the generator together, ten million channels some 2 GiB and a few minutes to be made.
//!
//! | file | holds |
//! | --- | --- |
//! | [`plot`] | the SVG picture |

mod plot;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::generator::{Generator, number};
use crate::process::Failure;
use crate::workspace::Workspace;

/// Sizes that are measured.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    connections: &'static [u32],
    channels: &'static [u32],
    seconds: &'static str,
}

const FULL: Sizes =
    Sizes { connections: &[1_000, 10_000, 100_000], channels: &[10_000, 1_000_000, 10_000_000], seconds: "10" };

/// Enough to see that all of it works.
const QUICK: Sizes = Sizes { connections: &[100, 1_000], channels: &[1_000, 10_000], seconds: "2" };

/// A hub with so many connections.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Connections {
    count: u32,
    payments_per_s: f64,
    /// Payments per CPU second of the data plane, which other load on the machine does not touch.
    payments_per_data_plane_s: f64,
    p99_us: f64,
    gather_s: f64,
    hub_bytes: f64,
    hub_bytes_per_connection: f64,
}

/// A hub with so many channels, and nobody connected.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Channels {
    count: u32,
    hub_bytes: f64,
    hub_bytes_per_channel: f64,
    restart_s: f64,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    let (folder, sizes) = parse(args)?;
    std::fs::create_dir_all(&folder)?;
    let generator = Generator::build(workspace)?;
    let mut connections = Vec::new();
    for count in sizes.connections {
        eprintln!("{count} connections");
        connections.push(with_connections(&generator, *count, sizes.seconds)?);
    }
    let mut channels = Vec::new();
    for count in sizes.channels {
        eprintln!("{count} channels");
        channels.push(with_channels(&generator, *count)?);
    }
    let table = table(&connections, &channels);
    print!("{table}");
    std::fs::write(folder.join("growth.md"), table)?;
    std::fs::write(folder.join("growth.json"), format!("{:#}\n", as_json(&connections, &channels)))?;
    std::fs::write(folder.join("growth.svg"), picture(&connections, &channels))?;
    Ok(ExitCode::SUCCESS)
}

fn parse(args: &[String]) -> Result<(PathBuf, Sizes), Failure> {
    let mut folder = None;
    let mut sizes = FULL;
    for arg in args {
        match arg.as_str() {
            "--quick" => sizes = QUICK,
            option if option.starts_with('-') => {
                return Err(Failure::new(format!("unknown argument {option:?}; known: FOLDER, --quick")));
            }
            path => folder = Some(PathBuf::from(path)),
        }
    }
    Ok((folder.ok_or_else(|| Failure::new("name a folder for the table and the plot"))?, sizes))
}

/// Each connection has one tick under way: how fast the hub is with all of them busy, and what they weigh when silent.
fn with_connections(generator: &Generator, count: u32, seconds: &str) -> Result<Connections, Failure> {
    let connections = count.to_string();
    let busy = generator.bench(&[
        "--pin",
        "--profile",
        "tick",
        "--connections",
        &connections,
        "--in-flight",
        "1",
        "--duration",
        seconds,
    ])?;
    let idle = generator.bench(&["--profile", "idle", "--connections", &connections, "--hold", seconds])?;
    Ok(Connections {
        count,
        payments_per_s: number(&busy, "/periods/0/payments_per_second")?,
        payments_per_data_plane_s: number(&busy, "/periods/0/payments_per_data_plane_second")?,
        p99_us: number(&busy, "/periods/0/latency/p99_us")?,
        gather_s: number(&busy, "/gather_ms")? / 1000.0,
        hub_bytes: number(&busy, "/periods/0/hub_memory/resident")?,
        hub_bytes_per_connection: number(&idle, "/hub_bytes_per_connection")?,
    })
}

fn with_channels(generator: &Generator, count: u32) -> Result<Channels, Failure> {
    let channels = count.to_string();
    let result = generator.bench(&["--profile", "idle-channels", "--channels", &channels])?;
    let per_channel = number(&result, "/hub_bytes_per_channel")?;
    let before = number(&result, "/hub_memory_before/resident").unwrap_or(0.0);
    let hub_bytes = result["periods"].as_array().and_then(|periods| periods.last());
    let hub_bytes = hub_bytes.and_then(|period| period.pointer("/hub_memory/resident")).and_then(Value::as_f64);
    Ok(Channels {
        count,
        hub_bytes: hub_bytes.unwrap_or(before + per_channel * f64::from(count)),
        hub_bytes_per_channel: per_channel,
        restart_s: number(&result, "/restart_ms")? / 1000.0,
    })
}

const MIB: f64 = 1024.0 * 1024.0;
const KIB: f64 = 1024.0;

fn table(connections: &[Connections], channels: &[Channels]) -> String {
    let mut text = String::from(
        "| connections, one tick under way on each | payments per second | per CPU second of the data plane | \
         p99 | all attached after | hub memory, busy | memory of an idle one |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    // Writing to a string cannot fail.
    for at in connections {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.1} ms | {:.1} s | {:.0} MiB | {:.1} KiB |",
            at.count,
            at.payments_per_s,
            at.payments_per_data_plane_s,
            at.p99_us / 1000.0,
            at.gather_s,
            at.hub_bytes / MIB,
            at.hub_bytes_per_connection / KIB
        );
    }
    text.push_str(
        "\n| channels, nobody connected | hub memory | memory of a channel with its lane | ready again after |\n\
         | ---: | ---: | ---: | ---: |\n",
    );
    for at in channels {
        let (memory, each) = (at.hub_bytes / MIB, at.hub_bytes_per_channel);
        let _ = writeln!(text, "| {} | {memory:.0} MiB | {each:.0} bytes | {:.1} s |", at.count, at.restart_s);
    }
    text
}

fn as_json(connections: &[Connections], channels: &[Channels]) -> Value {
    let connections: Vec<Value> = connections
        .iter()
        .map(|at| {
            json!({
                "connections": at.count,
                "payments_per_s": at.payments_per_s,
                "payments_per_data_plane_s": at.payments_per_data_plane_s,
                "p99_us": at.p99_us,
                "gather_s": at.gather_s,
                "hub_bytes": at.hub_bytes,
                "hub_bytes_per_connection": at.hub_bytes_per_connection,
            })
        })
        .collect();
    let channels: Vec<Value> = channels
        .iter()
        .map(|at| {
            json!({
                "channels": at.count,
                "hub_bytes": at.hub_bytes,
                "hub_bytes_per_channel": at.hub_bytes_per_channel,
                "restart_s": at.restart_s,
            })
        })
        .collect();
    json!({ "connections": connections, "channels": channels })
}

fn picture(connections: &[Connections], channels: &[Channels]) -> String {
    let of = |value: fn(&Connections) -> f64| -> Vec<(f64, f64)> {
        connections.iter().map(|at| (f64::from(at.count), value(at))).collect()
    };
    let memory = channels.iter().map(|at| (f64::from(at.count), at.hub_bytes / MIB)).collect();
    plot::page(&[
        plot::Panel {
            title: "payments per second of the data plane",
            axis: "connections",
            points: of(|at| at.payments_per_data_plane_s),
        },
        plot::Panel { title: "hub memory, MiB", axis: "connections", points: of(|at| at.hub_bytes / MIB) },
        plot::Panel { title: "hub memory, MiB", axis: "channels", points: memory },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_string()).collect()
    }

    #[test]
    fn a_folder_is_needed() {
        assert!(parse(&[]).is_err());
        assert!(parse(&strings(&["--fast", "x"])).is_err());
        let (folder, sizes) = parse(&strings(&["--quick", "x"])).unwrap();
        assert_eq!((folder, sizes.seconds), (PathBuf::from("x"), "2"));
    }

    #[test]
    fn every_size_has_a_row() {
        let connections = Connections {
            count: 1_000,
            payments_per_s: 50_000.4,
            payments_per_data_plane_s: 60_000.0,
            p99_us: 21_500.0,
            gather_s: 0.4,
            hub_bytes: 64.0 * MIB,
            hub_bytes_per_connection: 10.0 * KIB,
        };
        let channels = Channels { count: 10_000, hub_bytes: MIB, hub_bytes_per_channel: 100.0, restart_s: 1.0 };
        let table = table(&[connections], &[channels]);
        assert!(table.contains("| 1000 | 50000 | 60000 | 21.5 ms | 0.4 s | 64 MiB | 10.0 KiB |"), "{table}");
        assert!(table.contains("| 10000 | 1 MiB | 100 bytes | 1.0 s |"), "{table}");
    }
}

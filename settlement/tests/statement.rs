//! The statement's page against the statement's data: every figure, and that anybody can read it.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use farthing_settlement::export::{FileNames, epoch_folder, write_folder};
use farthing_settlement::night::{RunOptions, outputs_of};
use farthing_settlement::text::TokenFormat;
use serde_json::Value;
use world::{World, day, settle};

/// A page and the data beside it.
struct Page {
    html: String,
    data: Value,
    token: TokenFormat,
}

/// The page of epoch 1.
fn page(world: &World) -> Page {
    let token = TokenFormat { decimals: 6, symbol: "EUR".to_owned() };
    let book = world.book();
    let outputs = outputs_of(&book, 1).unwrap().unwrap();
    let folder = epoch_folder(&world.settlement(), 1);
    write_folder(&folder, &book, &outputs, &world.whose(&outputs), &token).unwrap();
    let html = std::fs::read_to_string(folder.join(FileNames::STATEMENT)).unwrap();
    let data = std::fs::read(folder.join(FileNames::STATEMENT_JSON)).unwrap();
    Page { html, data: serde_json::from_slice(&data).unwrap(), token }
}

fn settled() -> Page {
    let mut world = World::new(2);
    day(&mut world);
    settle(&world);
    page(&world)
}

/// What stands between each `before` and the next `after`.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

impl Page {
    fn section(&self, id: &str) -> &str {
        let mark = format!("id=\"{id}\"");
        let start = self.html.find(&mark).unwrap_or_else(|| panic!("no section {id}"));
        self.html[start..].split("</section>").next().unwrap()
    }

    /// The figures of a section, in their order, as programs read them; what people read is checked to be the same.
    fn figures(&self, id: &str) -> Vec<String> {
        let figures = between(self.section(id), "<data value=\"", "</data>").into_iter().map(|figure| {
            let (value, text) = figure.split_once("\">").unwrap();
            let digits: u128 = value.trim_start_matches('-').parse().unwrap();
            let sign = if value.starts_with('-') { "−" } else { "" };
            assert!(text == value || text == format!("{sign}{}", self.token.number(digits)), "{value} reads {text}");
            value.to_owned()
        });
        figures.collect()
    }

    /// Values of the data at these paths, one after another; of a list, of each of its entries.
    fn data(&self, list: &str, fields: &[&str]) -> Vec<String> {
        let lines = self.data.pointer(list).unwrap().as_array().unwrap();
        lines.iter().flat_map(|line| fields.iter().map(|field| number(line.pointer(field).unwrap()))).collect()
    }

    fn total(&self, name: &str) -> String {
        number(&self.data["totals"][name])
    }
}

fn number(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        other => panic!("{other} is no number"),
    }
}

fn joined(parts: &[Vec<String>]) -> Vec<String> {
    parts.concat()
}

#[test]
fn every_figure_of_the_page_is_the_statements() {
    let page = settled();
    let total = |names: &[&str]| names.iter().map(|name| page.total(name)).collect::<Vec<_>>();
    let count = |list: &str| vec![page.data[list].as_array().unwrap().len().to_string()];
    let summary = [
        total(&["collected", "paid", "carried"]),
        count("disputes"),
        total(&["lanes"]),
        count("payers"),
        count("providers"),
        total(&["positions", "gross", "legs", "net"]),
    ];
    assert_eq!(page.figures("summary"), joined(&summary));
    assert_eq!(page.figures("transfers"), joined(&[page.data("/legs", &["/amount"]), total(&["net"])]));
    let payers = page.data("/payers", &["/escrows", "/collected", "/remaining"]);
    assert_eq!(page.figures("payers"), joined(&[payers, total(&["collected"])]));
    let providers = page.data("/providers", &["/lanes", "/earned", "/received", "/carried", "/credited"]);
    assert_eq!(page.figures("providers"), joined(&[providers, total(&["collected", "net", "carried"])]));
    let services = page.data("/groups", &["/lanes", "/collected"]);
    assert_eq!(page.figures("services"), joined(&[services, total(&["collected"])]));
    let states = page.data("/lane_states", &["/lanes", "/collected", "/carried"]);
    assert_eq!(page.figures("lanes"), joined(&[states, total(&["lanes", "collected", "carried"])]));
    let hours = page.data("/hours", &["/amount"]);
    let sum: u64 = hours.iter().map(|hour| hour.parse::<u64>().unwrap()).sum();
    // 1,500 and 50 by vouchers, 100 and 23 ticks by a chain.
    assert_eq!(sum, 1_673);
    assert_eq!(page.figures("hours"), joined(&[hours, vec![sum.to_string()]]));
    let rows = ["/rows", "/matched", "/partial", "/unmatched", "/settled/lanes", "/settled/journal", "/settled/ledger"];
    let sums = page.data("/reconciliation/conservation", &["/one", "/other"]);
    let reconciliation = joined(&[page.data("/reconciliation/totals", &rows), sums]);
    assert_eq!(page.figures("reconciliation"), reconciliation);
    assert!(page.section("reconciliation").contains("Everything matches"));
    let balances = page.figures("balances");
    for after in page.data("/balances", &["/before", "/proposal_in", "/proposal_out", "/after"]) {
        assert!(balances.contains(&after), "{after}");
    }
    assert_eq!(page.figures("approvals"), total(&["collected", "net"]));
    for approval in page.data["approvals"].as_array().unwrap() {
        assert!(page.section("approvals").contains(approval["approver"].as_str().unwrap()));
    }
    assert!(page.section("proofs").contains(page.data["proposal"].as_str().unwrap()));
}

#[test]
fn charts_draw_the_same_figures() {
    let page = settled();
    let charts = page.section("charts");
    let drawn: Vec<_> = between(charts, "data-value=\"", "\"");
    let total = |name: &str| page.total(name);
    let payable = total("collected").parse::<u64>().unwrap() + total("carried").parse::<u64>().unwrap();
    let waterfall = [payable.to_string(), total("carried"), total("collected"), total("net")];
    assert_eq!(drawn[..4], waterfall);
    assert_eq!(drawn[4..6], [total("gross"), total("net")]);
    let earned = page.data("/providers", &["/earned"]);
    assert_eq!(drawn[6..6 + earned.len()], earned);
    for figure in joined(&[page.data("/groups", &["/collected"]), page.data("/payers", &["/collected"])]) {
        assert!(drawn.contains(&figure.as_str()), "{figure}");
    }
    for hour in page.data("/hours", &["/amount"]) {
        assert!(drawn.contains(&hour.as_str()));
    }
}

#[test]
fn growth_is_put_down_to_its_hour_and_false_claims_are_taken_back() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    world.journal.unix_ms += 2 * 3_600_000;
    world.journal.write(&[world.voucher(&lanes[0], 1_700), world.voucher(&lanes[1], 55)]);
    let forged = world::Lane { image: lanes[1].image, device: world::key(99) };
    world.journal.write(&[world.voucher(&forged, 1_055)]);
    settle(&world);
    let page = page(&world);
    assert_eq!(page.data("/hours", &["/amount"]), ["1673", "0", "1205"]);
    assert_eq!(number(&page.data["withdrawn"]), "1000");
    assert_eq!(number(&page.data["disputes"].as_array().unwrap().len().into()), "1");
    // 1,700 and 55 by vouchers, 123 by ticks.
    assert_eq!(page.total("authorised"), (1_673 + 1_205 - 1_000).to_string());
}

#[test]
fn a_proposal_has_a_page_with_room_for_two_hands() {
    let mut world = World::new(2);
    day(&mut world);
    let book = world.book();
    world.night(&book).run(&RunOptions::default()).unwrap();
    drop(book);
    let page = page(&world);
    assert!(page.html.contains("Proposed, not settled"));
    assert_eq!(page.section("approvals").matches("Has not approved yet").count(), 2);
    assert!(page.section("reconciliation").contains("Follows when the ledger"));
    assert!(!page.html.contains("id=\"balances\""));
}

#[test]
fn the_page_needs_nothing_else_and_says_what_everything_is() {
    let Page { html, .. } = settled();
    for outside in ["<script", "http:", "https:", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    assert_eq!(html.matches("<h1>").count(), 1);
    let ids = between(&html, "id=\"", "\"");
    let different: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "no id twice");
    for label in between(&html, "aria-labelledby=\"", "\"") {
        assert!(ids.contains(&label), "{label}");
    }
    let sections = html.matches("<section").count();
    assert_eq!(
        html.matches("aria-labelledby=").count() + html.matches("<section class=\"charts\"").count() + 1,
        sections
    );
    assert_eq!(html.matches("<svg").count(), html.matches("role=\"img\" aria-label=\"").count());
    assert_eq!(html.matches("<th").count() - html.matches("<thead").count(), html.matches("scope=\"").count());
    for tag in ["section", "table", "thead", "tbody", "tr", "td", "th", "svg", "data", "figure", "div"] {
        let opened = html.matches(&format!("<{tag} ")).count() + html.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

/// Relative luminance by WCAG 2.1 of a colour `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let channel = |place: usize| {
        let value = f64::from(u8::from_str_radix(&colour[place..place + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// Contrast by WCAG 2.1; text wants 4.5, marks want 3.
fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_and_marks_have_contrast_by_day_and_by_night() {
    let style = include_str!("../src/statement/style.css");
    let schemes = between(style, ":root {", "}");
    assert_eq!(schemes.len(), 3, "light, dark, print");
    for scheme in &schemes {
        let colours: BTreeMap<&str, &str> = scheme
            .split(';')
            .filter_map(|line| line.trim().strip_prefix("--")?.split_once(": "))
            .map(|(name, colour)| (name, colour.trim()))
            .collect();
        let long = |name: &str| match colours[name] {
            short if short.len() == 4 => format!("#{}", short[1..].chars().flat_map(|c| [c, c]).collect::<String>()),
            long => long.to_owned(),
        };
        for ground in ["paper", "panel"] {
            for text in ["ink", "soft", "good", "bad", "wait"] {
                let contrast = contrast(&long(text), &long(ground));
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
            for mark in ["in", "out"] {
                assert!(contrast(&long(mark), &long(ground)) >= 3.0, "{mark} on {ground}");
            }
        }
    }
}

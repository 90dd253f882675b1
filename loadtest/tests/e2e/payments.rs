//! Devices pay, providers are told.

use std::collections::HashMap;

use farthing_channel::tariff::Unit;
use farthing_client::{Connector, Provider, ProviderConfig};
use farthing_loadtest::trace::PriceOption;

use crate::support::{LIMIT, RATING_GROUP, World, runtime};

#[test]
fn vouchers_and_ticks_are_acknowledged_and_the_provider_is_told() {
    let world = World::new(4);
    let price: PriceOption = "1/10".parse().unwrap();
    let tariff = price.tariff(Unit::Octets, 1).unwrap();
    world.site.set_tariff(&world.provider, RATING_GROUP, &tariff).unwrap();
    runtime().block_on(async {
        let connector = Connector::new(world.config()).unwrap();
        let config = ProviderConfig { key: world.provider.key.clone(), rating_groups: Vec::new() };
        let (provider, mut notices) = Provider::connect(&connector, config).await.unwrap();
        let mut expected = HashMap::new();
        for place in 0..4 {
            let (_, lane) = world.device(&connector, place).await;
            for step in 1..=20 {
                let paid = lane.pay(step).await.unwrap();
                assert_eq!(paid.authorised, (1..=step).sum::<u64>());
            }
            // Naming the same total again pays nothing.
            assert_eq!(lane.pay_total(210).await.unwrap().authorised, 210);
            let receipt = lane.receipt().await.unwrap();
            assert_eq!((receipt.authorised, receipt.tariff), (210, tariff.hash()));
            expected.insert(lane.id(), 210);
        }
        let mut told = HashMap::new();
        while told != expected {
            let notice = notices.recv().await.unwrap();
            told.insert(notice.lane, notice.authorised);
        }
        for lane in expected.keys() {
            let grant = provider.report(*lane, 1, 2_000, 0).await.unwrap();
            assert_eq!(grant.units, 2_100, "a tenth of a base unit per byte");
            assert_eq!(provider.query(*lane).await.unwrap().used_units, 2_000);
        }
        provider.shutdown();
    });
    assert_eq!(world.authorised(), 840);
    world.site.finish().unwrap();
}

#[test]
fn a_mandate_is_a_limit_and_an_escrow_is_one_for_all() {
    let world = World::new(1);
    runtime().block_on(async {
        let connector = Connector::new(world.config()).unwrap();
        let (_, lane) = world.device(&connector, 0).await;
        assert_eq!(lane.pay_total(LIMIT).await.unwrap().authorised, LIMIT);
        let error = lane.pay(1).await.unwrap_err();
        assert!(!error.retry_helps(), "{error}");
    });
    assert_eq!(world.authorised(), u128::from(LIMIT));
    world.site.finish().unwrap();
}

#[test]
fn the_metrics_page_is_as_prometheus_wants_it() {
    let world = World::new(2);
    world.pay(2, 5);
    let page = world.site.hub_page("/metrics").unwrap();
    assert!(page.contains("farthing_hub_authorised_base_units_total 10"), "{page}");
    assert!(world.site.hub_page("/livez").unwrap().contains("true"));
    let named = std::env::var_os("FARTHING_PROMTOOL");
    let promtool = named.clone().unwrap_or_else(|| "promtool".into());
    let child = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    match child {
        Ok(mut child) => {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), page.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}\n{page}");
        }
        Err(error) if named.is_some() => panic!("promtool does not start: {error}"),
        Err(_) => eprintln!("no promtool here: its check is left out"),
    }
    world.site.finish().unwrap();
}

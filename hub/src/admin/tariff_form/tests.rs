use super::*;

const FULL: &str = r#"
version = 7
unit = "octets"
increment = 1024
price = "3/1024"
tiers = [{ up_to = 1048576, price = "0" }, { up_to = 2097152, price = "5/1024" }]

[[windows]]
spans = [
    { days = ["workdays"], from = "22:00", until = "24:00" },
    { days = ["mon", "sun"], from = "00:00", until = "06:30" },
]
price = "1/1024"
"#;

#[test]
fn a_file_becomes_a_tariff_and_back() {
    let form: TariffForm = toml::from_str(FULL).unwrap();
    let tariff = form.to_tariff().unwrap();
    assert_eq!((tariff.version(), tariff.unit(), tariff.increment().get()), (7, Unit::Octets, 1024));
    assert_eq!(tariff.tiers().bounded()[0].price, Price::new(0, 1).unwrap());
    assert_eq!(tariff.windows()[0].spans().len(), 2);
    let again = TariffForm::of_tariff(&tariff).to_tariff().unwrap();
    assert_eq!(again.hash(), tariff.hash());
    let json = serde_json::to_string(&TariffForm::of_tariff(&tariff)).unwrap();
    let from_json: TariffForm = serde_json::from_str(&json).unwrap();
    assert_eq!(from_json.to_tariff().unwrap().hash(), tariff.hash());
    assert_eq!(form.price_lines(), ["up to 1048576: 0/1", "up to 2097152: 5/1024", "3/1024"]);
}

#[test]
fn what_is_no_tariff_is_refused_with_its_reason() {
    let cases = [
        ("unit = \"octets\"\nprice = \"3/0\"", "zero"),
        ("unit = \"octets\"\nprice = \"0.5\"", "whole numbers"),
        ("unit = \"bits\"\nprice = \"1\"", "unknown variant"),
        ("unit = \"events\"", "missing field `price`"),
        ("unit = \"events\"\nprice = \"1\"\ncolour = 1", "unknown field"),
        (
            "unit = \"events\"\nprice = \"1\"\nwindows = [{ price = \"1\", spans = [{ days = [\"all\"], from = \
             \"25:00\", until = \"26:00\" }] }]",
            "no time of day",
        ),
    ];
    for (text, reason) in cases {
        let error = toml::from_str::<TariffForm>(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
    let backwards =
        "unit = \"events\"\nprice = \"1\"\ntiers = [{ up_to = 5, price = \"1\" }, { up_to = 5, price = \"2\" }]";
    let form: TariffForm = toml::from_str(backwards).unwrap();
    assert_eq!(form.to_tariff().unwrap_err(), TariffError::TiersNotAscending);
}

//! Whatever a document holds, reading it comes to an end, and faults lie within it.

use proptest::prelude::*;

use super::*;

/// Text made of what matters to YAML, so that most of the parser is reached.
fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = [
        "groups",
        "name",
        "rules",
        "alert",
        "threshold",
        "metric",
        "above",
        "labels",
        "store",
        "password",
        "a",
        "é",
        "🚀",
        "5s",
        "80%",
        "1",
        "-",
        "- ",
        "? ",
        ": ",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "&x ",
        "*x",
        "!t ",
        "!!str ",
        "<<",
        "|",
        ">-",
        "'",
        "\"",
        "\\",
        "#",
        " #",
        "\n",
        "\n",
        "\n  ",
        "\n    ",
        "\r\n",
        "\r",
        "\t",
        " ",
        "  ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "${N}",
        "$${",
        "\u{FEFF}",
        "\0",
        "\u{85}",
        "\u{2028}",
        "~",
        "null",
        "true",
        "0x",
        "@",
        "`",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat())
}

/// Reads a text in every way and gives all faults.
fn all_faults(text: &str) -> Vec<Fault> {
    let lookup = |name: &str| (name == "N").then(|| "1".to_owned());
    match Document::parse_expanding("f.yaml", text.to_owned(), &lookup) {
        Err(faults) => faults,
        Ok(mut document) => {
            let place = Place::root().key("groups").index(0).key("rules").index(0);
            let (_, mut faults) = document.decode::<File>();
            faults.push(document.fault(&place, "x"));
            faults.push(document.fault_at_key(&place.key("labels"), "x"));
            sort(&mut faults);
            faults
        }
    }
}

fn check_any_text(text: &str) -> Result<(), TestCaseError> {
    let faults = all_faults(text);
    let normal = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let normal = normal.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = normal.split('\n').collect();
    for fault in &faults {
        prop_assert!((1..=lines.len()).contains(&fault.line), "{fault:?}");
        let width = lines[fault.line - 1].chars().count();
        prop_assert!((1..=width + 1).contains(&fault.column), "{fault:?}");
        prop_assert!(
            fault.length >= 1 && fault.column + fault.length <= width.max(fault.column) + 1,
            "{fault:?}"
        );
        let shown = fault.to_string();
        prop_assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
    prop_assert!(faults.is_sorted_by_key(|fault| (fault.line, fault.column)));
    prop_assert!(faults.is_empty() || render(&faults, true).contains("f.yaml"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_yaml_like_text_makes_it_panic_or_point_outside(text in yaml_like()) {
        check_any_text(&text)?;
    }

    #[test]
    fn no_text_at_all_makes_it_panic_or_point_outside(text in any::<String>()) {
        check_any_text(&text)?;
    }

    #[test]
    fn keys_are_pointed_at_exactly(
        keys in prop::collection::vec("[a-zé🚀]{1,8}", 1..6), flow in any::<bool>(), indent in 0_usize..5,
    ) {
        let (open, close, separator) = if flow { ("{", "}", ", ") } else { ("", "", "\n") };
        let entries: Vec<String> = keys.iter().enumerate()
            .map(|(number, key)| format!("{}k{number}{key}: v", " ".repeat(indent)))
            .collect();
        let text = format!("{open}{}{close}", entries.join(separator));
        let document = Document::parse("f.yaml", text.clone()).unwrap();
        for (number, key) in keys.iter().enumerate() {
            let key = format!("k{number}{key}");
            let fault = document.fault_at_key(&Place::root().key(&key), "x");
            let line = text.lines().nth(fault.line - 1).unwrap();
            let pointed: String = line.chars().skip(fault.column - 1).take(fault.length).collect();
            prop_assert_eq!(pointed, key);
        }
    }
}

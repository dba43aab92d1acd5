//! Lists as they lie beside the database: one JSON object with the form it has and the items, `{"format":1,"silences":[…]}`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The form of such a file; a later one may not be understood by an earlier opwatch.
const FORMAT: u32 = 1;

/// What of a list could be read.
#[derive(Debug)]
pub struct Kept<T> {
    /// Those that could be read.
    pub items: Vec<T>,
    /// Which could not, and why.
    pub faults: Vec<String>,
}

/// A list by the name of its items.
///
/// # Errors
/// None that is known; the type is that of the writer.
pub fn to_text<Form: Serialize>(
    name: &str,
    items: impl Iterator<Item = Form>,
) -> serde_json::Result<Vec<u8>> {
    let items: Vec<Form> = items.collect();
    let format = serde_json::value::to_raw_value(&FORMAT)?;
    let items = serde_json::value::to_raw_value(&items)?;
    let mut text = serde_json::to_vec(&BTreeMap::from([("format", format), (name, items)]))?;
    text.push(b'\n');
    Ok(text)
}

/// The reverse: what can be read of it. One that is damaged takes no other with it.
pub fn from_text<Form: DeserializeOwned, T>(
    name: &str,
    text: &str,
    item: impl Fn(Form) -> Result<T, String>,
) -> Kept<T> {
    let texts = match texts(name, text) {
        Ok(texts) => texts,
        Err(fault) => {
            return Kept {
                items: Vec::new(),
                faults: vec![fault],
            };
        }
    };
    let mut kept = Kept {
        items: Vec::with_capacity(texts.len()),
        faults: Vec::new(),
    };
    for (index, text) in texts.iter().enumerate() {
        let form = serde_json::from_str::<Form>(text.get()).map_err(|error| error.to_string());
        match form.and_then(&item) {
            Ok(item) => kept.items.push(item),
            Err(why) => kept.faults.push(format!("{name}[{index}]: {why}")),
        }
    }
    kept
}

fn texts<'a>(name: &str, text: &'a str) -> Result<Vec<&'a RawValue>, String> {
    let mut fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut take = |name: &str| {
        let field = fields.remove(name);
        field.ok_or_else(|| format!("missing field `{name}`"))
    };
    let (format, items) = (take("format")?, take(name)?);
    if let Some(unknown) = fields.keys().next() {
        return Err(format!(
            "unknown field `{unknown}`, allowed: format, {name}"
        ));
    }
    match serde_json::from_str::<u32>(format.get()) {
        Ok(FORMAT) => serde_json::from_str(items.get()).map_err(|error| error.to_string()),
        _ => Err(format!(
            "it is of format {}, allowed: {FORMAT}",
            format.get()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_and_what_is_damaged_takes_no_other_with_it() {
        let text = to_text("numbers", [1, 2, 3].iter()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "{\"format\":1,\"numbers\":[1,2,3]}\n");
        let odd = |number: u32| match number % 2 {
            1 => Ok(number),
            _ => Err("it is even".to_owned()),
        };
        let kept = from_text("numbers", &text, odd);
        assert_eq!(
            (kept.items, kept.faults),
            (vec![1, 3], vec!["numbers[1]: it is even".to_owned()])
        );
        let kept = from_text("numbers", &text.replace('3', "\"x\""), odd);
        assert_eq!((kept.items.len(), kept.faults.len()), (1, 2));
        for (text, fault) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            (r#"{"format":1}"#, "missing field `numbers`"),
            (
                r#"{"format":2,"numbers":[]}"#,
                "it is of format 2, allowed: 1",
            ),
            (
                r#"{"format":1,"numbers":[],"x":1}"#,
                "unknown field `x`, allowed: format, numbers",
            ),
        ] {
            assert_eq!(from_text("numbers", text, odd).faults, [fault]);
        }
    }
}

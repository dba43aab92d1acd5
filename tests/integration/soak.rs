//! A minute of the soak, in which its life goes faster: everything that others do to an opwatch, all at once.

use std::path::Path;
use std::process::Command;

use crate::peers::missing;
use crate::sidecar::BINARY;

/// R20: nothing goes wrong for whoever speaks to it, alerts are told, and nothing is lost. Slopes take the long run.
#[test]
fn a_minute_of_everything_at_once_goes_well() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if let Err(error) = Command::new(&python).arg("--version").output() {
        let _: Option<()> = missing(&python, &error.to_string());
        return;
    }
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/soak/run"))
        .args(["--minutes", "1", "--opwatch", BINARY])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(
        errors.contains("kept:   alerts fired and were told"),
        "{errors}"
    );
}

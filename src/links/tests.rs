use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn links() -> Links {
    let key = LinkKey::load(None).unwrap();
    Links::new(key, "http://opwatch.example.org/", Duration::from_secs(60))
}

fn claim() -> Claim {
    Claim {
        fingerprint: 0xa1,
        starts_at: at(5),
        expires_at: at(70),
    }
}

fn query(link: &str) -> Vec<(String, String)> {
    let (_, query) = link.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

fn link(links: &Links) -> String {
    let claim = claim();
    let tag = hmac::sign(&links.key.0, signed(claim).as_bytes());
    let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("x?alert=00000000000000a1&started=5000&until=70000&signature={hex}")
}

fn read(links: &Links, text: &str, now: i64) -> Result<Claim, LinkError> {
    links.read(query(text).into_iter(), at(now))
}

#[test]
fn a_link_is_good_for_its_alert_until_it_expires_and_for_nothing_else() {
    let all = links();
    let link = link(&all);
    assert_eq!(read(&all, &link, 69), Ok(claim()));
    assert_eq!(read(&all, &link, 70), Err(LinkError::Expired(at(70))));
    for (from, to) in [
        ("00a1&", "00a2&"),
        ("started=5000", "started=5001"),
        ("until=70000", "until=99999999"),
    ] {
        let other = link.replace(from, to);
        assert_ne!(other, link);
        assert_eq!(read(&all, &other, 10), Err(LinkError::Foreign), "{other}");
    }
    // One character of the signature.
    let last = if link.ends_with('0') { "1" } else { "0" };
    let other = format!("{}{last}", &link[..link.len() - 1]);
    assert_eq!(read(&all, &other, 10), Err(LinkError::Foreign));
    for other in [
        link.replace("&until=70000", ""),
        link[..link.len() - 1].to_owned(),
        link.replace("started=5000", "started=x"),
        format!("{link}&by=x"),
        format!("{link}ä"),
    ] {
        assert_eq!(read(&all, &other, 10), Err(LinkError::NotWhole), "{other}");
    }
    // Of another opwatch.
    assert_eq!(read(&links(), &link, 10), Err(LinkError::Foreign));
}

#[test]
fn the_signature_is_the_hmac_of_rfc_2104_over_the_text_that_the_docs_have() {
    // Computed by Python's hmac module.
    let all = Links::new(LinkKey::of(&[7; 32]), "http://x", Duration::from_secs(1));
    let expected = "42ef3e3dfd06522499d9d4a095564ecd2b120320e4960644a9cfff92f5021c93";
    assert!(link(&all).ends_with(expected), "{}", link(&all));
}

#[test]
fn the_key_is_made_once_for_its_owner_alone_and_kept() {
    let folder = std::env::temp_dir().join(format!("opwatch-links-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let sign = || {
        let key = LinkKey::load(Some(&folder)).unwrap();
        hmac::sign(&key.0, b"x").as_ref().to_vec()
    };
    let path = folder.join(KEY_FILE);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let first = sign();
    assert_eq!((sign(), mode()), (first.clone(), 0o600));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!((sign(), mode()), (first.clone(), 0o600));
    // What is no key is left as it is, and not used.
    fs::write(&path, "short").unwrap();
    assert_ne!(sign(), first);
    assert_eq!(fs::read(&path).unwrap(), b"short");
    fs::remove_dir_all(&folder).unwrap();
}

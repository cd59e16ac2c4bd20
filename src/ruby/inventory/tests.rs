use super::*;
use indoc::indoc;
use procfile::assert_report;

fn target(arch: &str, distro_name: &str, distro_version: &str) -> Target {
    Target {
        os: "linux".into(),
        arch: arch.into(),
        arch_variant: None,
        distro_name: distro_name.into(),
        distro_version: distro_version.into(),
    }
}

fn embedded() -> [Inventory; 1] {
    [Inventory::embedded().unwrap()]
}

#[test]
fn every_embedded_row_is_usable() {
    let [inventory] = embedded();
    assert!(inventory.artifacts.len() > 100);
    for row in &inventory.artifacts {
        let ruby = inventory.ruby(row).unwrap();
        assert_eq!(ruby.archive.url.scheme(), "https", "{}", row.url);
    }
}

fn newest(inventories: &[Inventory], requirement: &str, target: &Target) -> Option<Ruby> {
    find(inventories, &requirement.parse().unwrap(), target)
}

#[test]
fn the_newest_that_matches() {
    for (requirement, expected) in [
        ("3.3.8", "3.3.8"),
        ("~> 3.3.0", "3.3.12"),
        ("~> 3.3", "3.4.10"),
        (">= 3.2, < 3.4", "3.3.12"),
        (">= 4.0", "4.0.7"),
        ("4.0.0.preview2", "4.0.0.preview2"),
    ] {
        let debian = target("amd64", "debian", "13");
        let ruby = newest(&embedded(), requirement, &debian).unwrap();
        assert_eq!(ruby.version.to_string(), expected, "{requirement}");
    }
}

#[test]
fn every_series_is_there_for_every_target() {
    for series in ["3.2", "3.3", "3.4", "4.0"] {
        for (distro_name, distro_version) in [
            ("ubuntu", "22.04"),
            ("ubuntu", "24.04"),
            ("ubuntu", "26.04"),
            ("debian", "12"),
            ("debian", "13"),
            ("rhel", "9.4"),
        ] {
            for arch in ["amd64", "arm64"] {
                let target = target(arch, distro_name, distro_version);
                let requirement = format!("~> {series}.0");
                assert!(
                    newest(&embedded(), &requirement, &target).is_some(),
                    "{series} for {distro_name} {distro_version} on {arch}"
                );
            }
        }
    }
}

#[test]
fn every_series_has_its_dates() {
    let inventories = embedded();
    let today = jiff::civil::date(2026, 11, 21);
    for row in &inventories[0].artifacts {
        let known = support(&inventories, &row.version, today).is_some();
        assert!(known || row.version.is_prerelease(), "{}", row.version);
    }
    let (default, _) = default_series(&inventories).unwrap();
    assert_eq!(support(&inventories, default, today), Some(Support::Normal));
}

#[test]
fn the_very_distribution_comes_before_any() {
    let url = |distro_name, distro_version| {
        let target = target("amd64", distro_name, distro_version);
        newest(&embedded(), "3.4.10", &target).unwrap().archive.url
    };
    assert!(url("ubuntu", "24.04").as_str().contains("noble"));
    assert!(url("debian", "13").as_str().contains("x86_64_linux"));
}

#[test]
fn a_c_library_that_is_too_old() {
    let text = ROW.replace("\"glibc\"", "\"glibc>=2.35\"");
    let inventories = [parse(&text).unwrap()];
    let jammy = target("amd64", "ubuntu", "22.04");
    assert!(newest(&inventories, "3.3.8", &jammy).is_some());
    let focal = target("amd64", "ubuntu", "20.04");
    assert!(newest(&inventories, "3.3.8", &focal).is_none());
    assert_report!(unknown(
        &inventories,
        &"3.3.8".parse().unwrap(),
        "Gemfile".into(),
        &focal
    ));
}

#[test]
fn the_users_inventory_comes_first() {
    let text = indoc! {r#"
        [[artifacts]]
        version = "3.3.8"
        os = "linux"
        arch = "amd64"
        url = "ruby-3.3.8.tar.gz"
        checksum = "sha256:50d0d13316f4c29cc78f8c49dffe8c6626eeee831da559003cd9df11e396f2d5"

        [artifacts.metadata]
        distro_name = "debian"
        distro_version = "13"
        libc = "glibc"
        root = "ruby-3.3.8"
    "#};
    let base = "http://mirror.example.com/rubies/inventory.toml"
        .parse()
        .unwrap();
    let [embedded] = embedded();
    let inventories = [Inventory::parse("x", text, Some(base)).unwrap(), embedded];
    let on_debian = |requirement: &str, distro_version| {
        let target = target("amd64", "debian", distro_version);
        newest(&inventories, requirement, &target).unwrap()
    };
    let own = on_debian("~> 3.3.0", "13");
    assert_eq!(own.version.to_string(), "3.3.8");
    assert_eq!(
        own.archive.url.as_str(),
        "http://mirror.example.com/rubies/ruby-3.3.8.tar.gz"
    );
    assert_eq!(on_debian("~> 3.3.0", "12").version.to_string(), "3.3.12");
    assert_eq!(on_debian("~> 3.4.0", "13").version.to_string(), "3.4.10");
}

#[test]
fn an_unknown_version_is_shown_with_what_there_is() {
    let shown = |requirement: &str, target| {
        let requirement = requirement.parse().unwrap();
        unknown(&embedded(), &requirement, "Gemfile.lock".into(), &target)
    };
    let debian = || target("amd64", "debian", "13");
    assert_report!("of_a_known_series", shown("3.3.99", debian()));
    assert_report!("of_an_old_series", shown("~> 2.7.0", debian()));
    assert_report!(
        "for_an_unknown_target",
        shown("~> 3.4.0", target("amd64", "alpine", "3.23"))
    );
    assert_report!(
        "for_another_architecture",
        shown("3.4.10", target("riscv64", "debian", "13"))
    );
}

#[test]
fn an_inventory_that_cannot_be_read_is_shown() {
    let text = "[[artifacts]]\nversion = \"3.3.8\"\nos = \"linux\"\narch = \"amd64\"\nurl = \"x\"\nchecksum = \"md5:00\"\n";
    assert_report!(Inventory::parse(VARIABLE, text, None).unwrap_err());
    assert_report!(
        "no_address",
        Inventory::at("inventory.toml", &Downloader::default()).unwrap_err()
    );
    assert_report!(
        "no_file",
        Inventory::at("/nowhere/inventory.toml", &Downloader::default()).unwrap_err()
    );
}

const ROW: &str = indoc! {r#"
    [[artifacts]]
    version = "3.3.8"
    os = "linux"
    arch = "amd64"
    url = "ruby.tar.gz"
    checksum = "sha256:50d0d13316f4c29cc78f8c49dffe8c6626eeee831da559003cd9df11e396f2d5"

    [artifacts.metadata]
    libc = "glibc"
    root = "ruby-3.3.8"
"#};

fn parse(text: &str) -> Result<Inventory, InventoryError> {
    let base = "https://example.com/inventory.toml".parse().unwrap();
    Inventory::parse(VARIABLE, text, Some(base))
}

#[test]
fn the_root_stays_inside_the_archive() {
    assert!(parse(ROW).is_ok());
    for root in ["..", "ruby/../..", "/etc"] {
        assert!(parse(&ROW.replace("ruby-3.3.8", root)).is_err(), "{root}");
    }
    let text = format!("{ROW}\n{}", ROW.replace("ruby-3.3.8", ".."));
    assert_report!(parse(&text).unwrap_err());
}

#[test]
fn every_address_is_checked_before_anything_is_downloaded() {
    let url = "ftp://user:secret@example.com/ruby.tar.gz?token=secret";
    let text = format!("{ROW}\n{}", ROW.replace("ruby.tar.gz", url));
    assert_report!(parse(&text).unwrap_err());
}

#[test]
fn an_address_that_may_be_a_secret_is_not_shown() {
    for address in ["user:secret@host/x", "x?token=secret"] {
        let error = Inventory::at(address, &Downloader::default()).unwrap_err();
        assert!(!procfile::report::plain(&error).contains("secret"));
    }
}

#[test]
fn the_users_default_comes_first() {
    let text = format!("default = \"3.3\"\n{ROW}");
    let [embedded] = embedded();
    let inventories = [parse(&text).unwrap(), embedded];
    let (series, is_own) = default_series(&inventories).unwrap();
    assert_eq!((series.to_string().as_str(), is_own), ("3.3", true));
    let (series, is_own) = default_series(&inventories[1..]).unwrap();
    assert_eq!((series.to_string().as_str(), is_own), ("3.4", false));
}

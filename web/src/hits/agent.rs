//! Families of browsers and systems, from the `User-Agent` header.

/// The browser's family.
#[must_use]
pub fn browser(agent: &str) -> Option<&'static str> {
    // Each names those before it as well, so the most particular comes first.
    const FAMILIES: [(&str, &str); 8] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    find(&FAMILIES, agent)
}

/// The operating system's family.
#[must_use]
pub fn system(agent: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    find(&FAMILIES, agent)
}

fn find(families: &[(&str, &'static str)], agent: &str) -> Option<&'static str> {
    families.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, family)| *family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(agent: &str, expect: (Option<&str>, Option<&str>)) {
        assert_eq!((browser(agent), system(agent)), expect);
    }

    #[test]
    fn the_most_particular_family_is_told() {
        let edge = "Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36 Edg/130.0";
        check(edge, (Some("Edge"), Some("Windows")));
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604";
        check(phone, (Some("Safari"), Some("iOS")));
        check("curl/8.0", (None, None));
    }
}

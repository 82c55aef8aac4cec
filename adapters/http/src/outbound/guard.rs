//! What is allowed: URLs by how they are written, addresses by whose they are.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::address::{Special, Subnet, meant, special};

/// Names that are of no use to anybody who is outside.
const NAMES: &[&str] =
    &["localhost", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

/// Where requests may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Where they may go although nothing but this says so: to private addresses too, without TLS and to any
    /// port. Nowhere, unless set.
    pub allow: Vec<Allowed>,
    /// Ports that they may go to elsewhere. 443, unless set.
    pub ports: Vec<u16>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { allow: Vec::new(), ports: vec![443] }
    }
}

/// Somewhere that was allowed by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A host of this name, whatever address it has; without the names below it.
    Host(String),
    /// Addresses, whatever name has them. Who names them by name needs TLS and a port that all may go to.
    Subnet(Subnet),
}

/// What cannot be allowed, because it is neither a name nor addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedError {
    /// What was given.
    pub text: String,
}

/// `hooks.internal`, `127.0.0.1` or `10.1.0.0/16`.
impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let error = || AllowedError { text: text.to_owned() };
        if let Ok(subnet) = text.parse() {
            return Ok(Allowed::Subnet(subnet));
        }
        match Host::parse(text) {
            Ok(Host::Domain(name)) if !text.contains('*') => Ok(Allowed::Host(plain(&name))),
            // `[::1]` and `0x7f.1` are addresses, too.
            Ok(Host::Ipv4(address)) => Subnet::new(address.into(), 32).map(Allowed::Subnet).ok_or_else(error),
            Ok(Host::Ipv6(address)) => Subnet::new(address.into(), 128).map(Allowed::Subnet).ok_or_else(error),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for AllowedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        write!(f, "`{text}` is neither a host nor a subnet: write `hooks.internal`, `127.0.0.1` or `10.1.0.0/16`")
    }
}

impl std::error::Error for AllowedError {}

/// Why a request does not go where it was to go. Says nothing of a URL but its host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It is no URL.
    NoUrl,
    /// Neither `https` nor `http`.
    Scheme,
    /// It names a user or a password.
    Userinfo,
    /// Not over TLS.
    Plain {
        /// Its host.
        host: String,
    },
    /// To a port of something else.
    Port {
        /// Its host.
        host: String,
        /// The port.
        port: u16,
    },
    /// To a name of the machine itself, or of a metadata service.
    Name {
        /// The name.
        host: String,
    },
    /// To an address that is not public.
    Address {
        /// The host, as the URL has it.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What that is.
        special: Special,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NoUrl => f.write_str("not a URL: write `https://`, a host and a path"),
            Refused::Scheme => f.write_str("the URL begins neither with `https://` nor with `http://`"),
            Refused::Userinfo => f.write_str("the URL names a user or a password: leave both out"),
            Refused::Plain { host } => {
                write!(f, "`{host}` would be sent to without TLS: use https, or allow the host by name")
            }
            Refused::Port { host, port } => {
                write!(f, "`{host}` would be sent to at port {port}: allow the port, or the host by name")
            }
            Refused::Name { host } => write!(f, "`{host}` is not public: allow it by name if that is meant"),
            Refused::Address { host, address, special } => {
                write!(
                    f,
                    "`{host}` is at {address}, which is not public ({special}): allow the host or the address by name if that is meant"
                )
            }
        }
    }
}

impl std::error::Error for Refused {}

/// Decides where requests may go. Pure: names are resolved by others.
#[derive(Clone, Debug)]
pub struct Guard {
    names: BTreeSet<String>,
    subnets: Vec<Subnet>,
    ports: BTreeSet<u16>,
}

impl Guard {
    /// By these rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Guard {
        let names = rules.allow.iter().filter_map(|allowed| match allowed {
            Allowed::Host(name) => Some(plain(name)),
            Allowed::Subnet(_) => None,
        });
        let subnets = rules.allow.iter().filter_map(|allowed| match allowed {
            Allowed::Subnet(subnet) => Some(*subnet),
            Allowed::Host(_) => None,
        });
        Guard { names: names.collect(), subnets: subnets.collect(), ports: rules.ports.iter().copied().collect() }
    }

    /// Whether a request may go to a URL, as far as that can be said before its host is resolved; the URL as
    /// it is meant then. A host that is an address in whatever form is that address: `2130706433`, `0x7f.1` and
    /// `127.1` are `127.0.0.1`.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(&self, url: &str) -> Result<Url, Refused> {
        let url = Url::parse(url).map_err(|_| Refused::NoUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Userinfo);
        }
        let host = url.host().ok_or(Refused::NoUrl)?;
        let name = plain(&host.to_string());
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        match address {
            Some(address) => self.admit(&name, address)?,
            None if !self.names.contains(&name) && is_local(&name) => return Err(Refused::Name { host: name }),
            None => {}
        }
        let is_allowed = self.names.contains(&name) || address.is_some_and(|address| self.has(address));
        if url.scheme() != "https" && !is_allowed {
            return Err(Refused::Plain { host: name });
        }
        // Every scheme that is left has a port of its own.
        let port = url.port_or_known_default().unwrap_or_default();
        if !is_allowed && !self.ports.contains(&port) {
            return Err(Refused::Port { host: name, port });
        }
        Ok(url)
    }

    /// Whether a connection may go to an address of a host.
    ///
    /// # Errors
    /// When it may not.
    pub fn admit(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        match special(address) {
            Some(special) if !self.has(address) && !self.names.contains(&plain(host)) => {
                Err(Refused::Address { host: host.to_owned(), address, special })
            }
            _ => Ok(()),
        }
    }

    /// Whether an address is allowed by name.
    fn has(&self, address: IpAddr) -> bool {
        self.subnets.iter().any(|subnet| subnet.contains(address) || subnet.contains(meant(address)))
    }
}

/// A name as it is compared.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_owned).unwrap_or(name)
}

fn is_local(name: &str) -> bool {
    NAMES.contains(&name) || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guard(allow: &[&str]) -> Guard {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        Guard::new(&Rules { allow, ..Rules::default() })
    }

    /// What becomes of a URL: where it goes, or the first word of why it does not.
    #[track_caller]
    fn check(allow: &[&str], url: &str, expected: &str) {
        let told = match guard(allow).check(url) {
            Ok(url) => url.to_string(),
            Err(refused) => format!("{refused:?}").split([' ', '{']).next().unwrap().to_owned(),
        };
        assert_eq!(told, expected, "{url}, with {allow:?} allowed");
    }

    #[test]
    fn public_hosts_are_sent_to_over_tls() {
        check(&[], "https://hooks.example.com/in?a=b", "https://hooks.example.com/in?a=b");
        check(&[], "HTTPS://Hooks.Example.COM:443/in", "https://hooks.example.com/in");
        check(&[], "https://8.8.8.8/in", "https://8.8.8.8/in");
        check(&[], "https://[2606:4700::1111]/in", "https://[2606:4700::1111]/in");
        check(&[], "http://hooks.example.com/in", "Plain");
        check(&[], "https://hooks.example.com:8443/in", "Port");
        check(&[], "https://hooks.example.com:22/in", "Port");
        let rules = Rules { ports: vec![443, 8443], ..Rules::default() };
        assert!(Guard::new(&rules).check("https://hooks.example.com:8443/in").is_ok());
    }

    #[test]
    fn an_address_is_known_in_every_form() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "0",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a00:1]",
            "[::10.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:a00:1::]",
            "10.0.0.1.",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "１２７.0.0.1",
            "127。0。0。1",
            "%31%32%37.0.0.1",
        ] {
            check(&[], &format!("https://{host}/in"), "Address");
            check(&[], &format!("http://{host}/in"), "Address");
        }
    }

    #[test]
    fn names_that_only_the_inside_knows_are_refused_as_names() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "metadata.google.internal",
            "metadata.google.internal.",
            "instance-data",
        ] {
            check(&[], &format!("https://{host}/in"), "Name");
        }
        check(&[], "https://localhost.example.com/", "https://localhost.example.com/");
    }

    #[test]
    fn what_is_no_webhook_is_refused() {
        for (url, expected) in [
            ("file:///etc/passwd", "Scheme"),
            ("gopher://example.com/", "Scheme"),
            ("ftp://example.com/", "Scheme"),
            ("unix:/run/a.sock", "Scheme"),
            ("data:text/plain,a", "Scheme"),
            ("https://user@example.com/", "Userinfo"),
            ("https://:secret@example.com/", "Userinfo"),
            ("https://example.com@127.0.0.1/", "Userinfo"),
            ("https://", "NoUrl"),
            ("https://exa mple.com/", "NoUrl"),
            ("https://256.256.256.256/", "NoUrl"),
            ("https://0x100000000/", "NoUrl"),
            ("https://example.com:99999/", "NoUrl"),
            ("/in", "NoUrl"),
            ("", "NoUrl"),
        ] {
            check(&[], url, expected);
        }
        // As a browser reads it: a backslash is a slash, and what is before `@` a user.
        check(&[], "https://example.com\\@127.0.0.1/", "https://example.com/@127.0.0.1/");
    }

    #[test]
    fn what_is_allowed_by_name_is_allowed_in_the_clear_and_at_any_port() {
        check(&["localhost"], "http://localhost:8080/in", "http://localhost:8080/in");
        check(&["Hooks.Internal."], "http://hooks.internal:9/in", "http://hooks.internal:9/in");
        check(&["hooks.internal"], "http://a.hooks.internal/in", "Plain");
        check(&["127.0.0.1"], "http://127.1:8080/in", "http://127.0.0.1:8080/in");
        check(&["127.0.0.1"], "http://127.0.0.2:8080/in", "Address");
        check(&["127.0.0.1"], "http://[::ffff:127.0.0.1]:8080/in", "http://[::ffff:7f00:1]:8080/in");
        check(&["10.0.0.0/8"], "https://[64:ff9b::10.1.2.3]/in", "https://[64:ff9b::a01:203]/in");
        check(&["[::1]"], "http://[::1]:1/in", "http://[::1]:1/in");
        check(&["localhost"], "http://127.0.0.1/in", "Address");
        check(&["127.0.0.0/8"], "http://localhost/in", "Name");
        // To be allowed helps neither a user nor another scheme.
        check(&["localhost"], "http://me@localhost/in", "Userinfo");
        check(&["localhost"], "file://localhost/etc/passwd", "Scheme");
    }

    #[test]
    fn what_cannot_be_allowed_says_so() {
        for text in ["", "*.internal", "a b", "10.0.0.0/40", "http://a", "a:80"] {
            let error = text.parse::<Allowed>().unwrap_err();
            assert_eq!(error.text, text);
        }
    }

    #[test]
    fn addresses_of_a_host_are_admitted_one_by_one() {
        let guard = guard(&["hooks.internal", "10.1.0.0/16"]);
        let admit = |host: &str, address: &str| guard.admit(host, address.parse().unwrap()).is_ok();
        assert!(admit("hooks.example.com", "8.8.8.8"));
        assert!(!admit("hooks.example.com", "10.2.0.1"));
        assert!(admit("hooks.example.com", "10.1.0.1"));
        assert!(admit("HOOKS.internal.", "192.168.1.1"));
        assert!(!admit("hooks.example.com", "::ffff:127.0.0.1"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

        /// Whatever is written, what is let through goes over TLS, to a port that all may go to, and to a name or an
        /// address that is public.
        #[test]
        fn nothing_else_is_let_through(
            scheme in "(https?|HTTPS|ftp|file|[a-z]{0,4}):?/{0,3}", user in "|[a-z]{0,2}:?[a-z]?@",
            host in prop_oneof![
                "[a-z0-9.\\-]{0,12}", "[0-9]{1,11}", "0x[0-9a-f]{1,9}(\\.[0-9]{1,3})?", "([0-9]{1,3}\\.){0,4}[0-9]{0,3}",
                "\\[(::)?[0-9a-f:]{0,12}(\\.[0-9]{1,3}){0,3}\\]", any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string()),
                any::<u128>().prop_map(|bits| format!("[{}]", std::net::Ipv6Addr::from(bits))), "\\PC{0,6}",
            ],
            rest in "(:[0-9]{0,6})?[/?#\\\\@]?\\PC{0,6}",
        ) {
            if let Ok(url) = guard(&[]).check(&format!("{scheme}{user}{host}{rest}")) {
                prop_assert_eq!((url.scheme(), url.port_or_known_default()), ("https", Some(443)));
                prop_assert!(url.username().is_empty() && url.password().is_none());
                let address = match url.host() {
                    Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
                    Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
                    Some(Host::Domain(name)) => {
                        prop_assert!(!name.is_empty() && name.parse::<IpAddr>().is_err() && !is_local(name));
                        None
                    }
                    None => return Err(TestCaseError::fail("it has no host")),
                };
                prop_assert!(address.is_none_or(|address| special(address).is_none()));
                // What was let through is let through as it is meant.
                prop_assert_eq!(guard(&[]).check(url.as_str()), Ok(url));
            }
        }
    }

    #[test]
    fn why_it_is_refused_says_nothing_of_the_rest_of_the_url() {
        for url in [
            "https://10.0.0.1/canary?key=canary",
            "http://example.com/canary",
            "https://canary:canary@example.com/",
            "canary",
        ] {
            let refused = guard(&[]).check(url).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused}");
        }
    }
}

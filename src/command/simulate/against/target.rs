//! Where to post to: resolved once, looked at, and connected to as it was resolved.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use ureq::http::Uri;

use super::super::super::Failure;

/// A URL, and the address behind it.
///
/// The name is resolved here and nowhere else: requests go to the address, with the name in `Host`, so what was
/// looked at is what is connected to.
#[derive(Debug)]
pub(super) struct Target {
    /// As it was given.
    pub(super) shown: String,
    /// The same with the address in place of the name.
    pub(super) url: String,
    /// What stands in `Host`.
    pub(super) host: String,
}

impl Target {
    /// Resolves a URL. `anywhere` lets it be any host; else it must be this machine or a private network.
    ///
    /// # Errors
    /// When it is no URL of plain HTTP, its host is not known, or it is not ours to post to.
    pub(super) fn new(option: &str, url: &str, anywhere: bool) -> Result<Target, Failure> {
        let wrong = |problem: &str| Failure(format!("{option} {url}: {problem}"));
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL: write http://HOST:PORT/PATH"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("only plain HTTP is spoken: give the receiver's own port, behind TLS")),
            _ => return Err(wrong("it is no URL of HTTP: write http://HOST:PORT/PATH")),
        }
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it has a name or a password in it, which would be shown: leave it out"));
        }
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = (name, authority.port_u16().unwrap_or(80))
            .to_socket_addrs()
            .map_err(|error| wrong(&format!("its host is not known: {error}")))?
            .collect();
        let address = *addresses.first().ok_or_else(|| wrong("its host has no address"))?;
        if let Some(far) = addresses.iter().find(|address| !is_near(address.ip())).filter(|_| !anywhere) {
            return Err(wrong(&format!(
                "{} is neither this machine nor a private network: deliveries go to hosts of your own alone; if it is \
                 yours, say --i-own-this-host",
                far.ip()
            )));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Target {
            shown: url.to_owned(),
            url: format!("http://{address}{path}"),
            host: authority.as_str().to_owned(),
        })
    }
}

/// This machine, or a private network. Link-local addresses are neither: clouds answer there.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_this_machine_or_a_private_network() {
        for near in
            ["127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert!(is_near(near.parse().unwrap()), "{near}");
        }
        for far in [
            "0.0.0.0",
            "8.8.8.8",
            "169.254.169.254",
            "100.64.0.1",
            "172.32.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_near(far.parse().unwrap()), "{far}");
        }
    }

    #[test]
    fn a_request_goes_to_the_address_that_was_looked_at() {
        let target = Target::new("--against", "http://localhost:8080/hook?a=b", false).unwrap();
        assert_eq!(target.host, "localhost:8080");
        let address = target.url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/hook?a=b")).unwrap();
        assert!(is_near(address.parse::<SocketAddr>().unwrap().ip()), "{address}");
        assert_eq!(Target::new("--against", "http://[::1]:9", false).unwrap().url, "http://[::1]:9/");
    }
}

//! Which proxy stands between us and an API server, if any.
//!
//! As kubectl decides it: `proxy-url` of the cluster's entry as it is; else `HTTPS_PROXY` or `HTTP_PROXY` by the
//! server's scheme, unless `NO_PROXY` names the server or it is this machine. (The kube client applies `HTTPS_PROXY` to
//! every server, this machine included, and holds `NO_PROXY` against the proxy instead of the server.)

use std::net::IpAddr;

use http::Uri;

/// The proxy variables, upper case before lower case.
#[derive(Debug, Default, Clone)]
pub struct ProxyVariables {
    https: Option<String>,
    http: Option<String>,
    none_for: String,
}

impl ProxyVariables {
    /// Those of this process.
    pub fn of_process() -> Self {
        let read = |upper: &str, lower: &str| {
            [upper, lower]
                .into_iter()
                .filter_map(|name| std::env::var(name).ok())
                .find(|value| !value.is_empty())
        };
        Self {
            https: read("HTTPS_PROXY", "https_proxy"),
            http: read("HTTP_PROXY", "http_proxy"),
            none_for: read("NO_PROXY", "no_proxy").unwrap_or_default(),
        }
    }

    #[cfg(test)]
    pub(super) fn of(https: &str, http: &str, none_for: &str) -> Self {
        Self {
            https: Some(https.to_owned()),
            http: Some(http.to_owned()),
            none_for: none_for.to_owned(),
        }
    }

    /// The proxy for a server that the kubeconfig names none for. `Err` holds a variable's value that is no URL.
    pub fn for_server(&self, server: &Uri) -> Result<Option<Uri>, String> {
        let chosen = match server.scheme_str() {
            Some("http") => &self.http,
            _ => &self.https,
        };
        let Some(chosen) = chosen else {
            return Ok(None);
        };
        let host = server.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if is_this_machine(host) || self.excepts(host, server.port_u16()) {
            return Ok(None);
        }
        let full = if chosen.contains("://") {
            chosen.clone()
        } else {
            format!("http://{chosen}")
        };
        full.parse().map(Some).map_err(|_| chosen.clone())
    }

    fn excepts(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.to_lowercase();
        let ip: Option<IpAddr> = host.parse().ok();
        self.none_for
            .split(',')
            .map(|entry| entry.trim().to_lowercase())
            .filter(|entry| !entry.is_empty())
            .any(|entry| {
                if entry == "*" {
                    return true;
                }
                if let Some(ip) = ip {
                    if let Some((net, bits)) = entry.split_once('/') {
                        return within(ip, net, bits);
                    }
                    if entry.parse() == Ok(ip) {
                        return true;
                    }
                }
                let (name, wanted) = match entry.rsplit_once(':') {
                    Some((name, number))
                        if number.parse::<u16>().is_ok() && !name.contains(':') =>
                    {
                        (name, number.parse::<u16>().ok())
                    }
                    _ => (entry.as_str(), None),
                };
                if wanted.is_some() && wanted != port {
                    return false;
                }
                let name = name.strip_prefix('*').unwrap_or(name);
                match name.strip_prefix('.') {
                    Some(_) => host.ends_with(name),
                    None => host == name || host.ends_with(&format!(".{name}")),
                }
            })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn within(ip: IpAddr, net: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else {
        return false;
    };
    match (ip, net.parse::<IpAddr>()) {
        (IpAddr::V4(ip), Ok(IpAddr::V4(net))) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == net.to_bits() & mask
        }
        (IpAddr::V6(ip), Ok(IpAddr::V6(net))) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == net.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_proxy_is_chosen_by_the_server() {
        let all = ProxyVariables {
            https: Some("http://s:3128".to_owned()),
            http: Some("p:80".to_owned()),
            none_for: ".corp, 10.0.0.0/8, fd00::/8, one.example,two.example:6443, 192.0.2.7"
                .to_owned(),
        };
        for (server, wanted) in [
            ("https://api.example:6443", Some("http://s:3128/")),
            ("http://api.example", Some("http://p:80/")),
            ("http://127.0.0.1:8001", None),
            ("https://localhost:6443", None),
            ("https://[::1]:6443", None),
            ("https://k8s.corp:6443", None),
            ("https://corp:6443", Some("http://s:3128/")),
            ("https://10.1.2.3:6443", None),
            ("https://11.1.2.3:6443", Some("http://s:3128/")),
            ("https://[fd00::1]:6443", None),
            ("https://one.example", None),
            ("https://a.one.example", None),
            ("https://none.example", Some("http://s:3128/")),
            ("https://two.example:6443", None),
            ("https://two.example:443", Some("http://s:3128/")),
            ("https://192.0.2.7", None),
        ] {
            let got = all.for_server(&server.parse().unwrap()).unwrap();
            assert_eq!(got.map(|u| u.to_string()).as_deref(), wanted, "{server}");
        }
        let star = ProxyVariables {
            none_for: "*".to_owned(),
            ..all
        };
        assert_eq!(star.for_server(&"https://x".parse().unwrap()), Ok(None));
        let bad = ProxyVariables {
            https: Some("ht tp".to_owned()),
            ..ProxyVariables::default()
        };
        assert!(bad.for_server(&"https://x".parse().unwrap()).is_err());
    }
}

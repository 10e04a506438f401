//! From a container of the server image to what its process is started with: image tag, arguments, environment, limits.

use std::net::IpAddr;

use serde_json::Value;

use crate::lab::engine::{EngineSpec, Version};
use crate::lab::json::{items, text};

/// Memory of a lab machine, where no limit says less.
const MACHINE_MEMORY: u64 = 16 << 30;

/// Why a container is not even started, with the kubelet's reason and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) struct Refused {
    /// `ErrImagePull`, `CreateContainerConfigError`.
    pub(in crate::lab) reason: &'static str,
    /// The sentence.
    pub(in crate::lab) message: String,
}

/// Whether this image is a Dragonfly server's.
pub(in crate::lab) fn is_server(image: &str) -> bool {
    repository(image).ends_with("/dragonfly")
}

/// Whether this image is the operator's.
pub(in crate::lab) fn is_operator(image: &str) -> bool {
    repository(image).ends_with("dragonflydb/operator")
}

fn repository(image: &str) -> &str {
    image
        .split_once('@')
        .map_or(image, |(name, _)| name)
        .rsplit_once(':')
        .map_or(image, |(name, _)| name)
}

/// The environment of a container; `secret` reads a key of a Secret in the pod's namespace.
///
/// # Errors
/// When a Secret or its key is missing.
pub(in crate::lab) fn environment(
    container: &Value,
    secret: impl Fn(&str, &str) -> Option<String>,
) -> Result<Vec<(String, String)>, Refused> {
    let mut all = Vec::new();
    for one in items(container, "/env") {
        let reference = "/valueFrom/secretKeyRef";
        let value = match one.pointer(reference) {
            None => text(one, "/value").to_owned(),
            Some(from) => {
                let (name, key) = (text(from, "/name"), text(from, "/key"));
                secret(name, key).ok_or_else(|| Refused {
                    reason: "CreateContainerConfigError",
                    message: format!(
                        "couldn't find key {key} in Secret {name}, or the Secret does not exist"
                    ),
                })?
            }
        };
        all.push((text(one, "/name").to_owned(), value));
    }
    Ok(all)
}

/// What the server of this container is started with.
///
/// # Errors
/// When its image has no tag that the lab can play, or its environment cannot be made.
pub(in crate::lab) fn engine_spec(
    pod: &str,
    container: &Value,
    ip: IpAddr,
    secret: impl Fn(&str, &str) -> Option<String>,
) -> Result<EngineSpec, Refused> {
    let image = text(container, "/image");
    let tag = image.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    let version: Version = tag.parse().map_err(|_| Refused {
        reason: "ErrImagePull",
        message: format!("failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"),
    })?;
    let mut spec = EngineSpec::new(pod, ip);
    spec.version = version;
    spec.threads = threads(container);
    // The server's own default; the operator asks for it.
    spec.break_replication_on_master_restart = false;
    let limit = bytes(text(container, "/resources/limits/memory")).unwrap_or(MACHINE_MEMORY);
    spec.maxmemory = limit / 5 * 4;
    let environment = environment(container, secret)?;
    let flags = environment
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("DFLY_")?, value.as_str())));
    for (flag, value) in flags.chain(arguments(container)) {
        match flag {
            "maxmemory" => match bytes(value) {
                // 0 leaves it to the limit.
                Some(0) | None => {}
                Some(bytes) => spec.maxmemory = bytes,
            },
            "proactor_threads" => spec.threads = value.parse().unwrap_or(spec.threads).max(1),
            "requirepass" => spec.password = (!value.is_empty()).then(|| value.to_owned()),
            "snapshot_cron" => spec.snapshot_cron = value.to_owned(),
            "dbfilename" => spec.dbfilename = value.to_owned(),
            "dir" => spec.dir = value.to_owned(),
            "cache_mode" => spec.cache_mode = value != "false",
            "break_replication_on_master_restart" => {
                spec.break_replication_on_master_restart = value != "false"
            }
            _ => {}
        }
    }
    Ok(spec)
}

/// The Secret from which a server with `--tls` has its certificate.
pub(in crate::lab) fn tls_secret(pod: &Value, container: &Value) -> Option<String> {
    let on = arguments(container).any(|(flag, value)| flag == "tls" && value != "false");
    let volumes = items(pod, "/spec/volumes");
    let volume = volumes
        .iter()
        .find(|volume| on && text(volume, "/name") == "dragonfly-tls")?;
    Some(text(volume, "/secret/secretName").to_owned())
}

/// `--name=value` and `--name`, which means true.
fn arguments(container: &Value) -> impl Iterator<Item = (&str, &str)> {
    items(container, "/args")
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|arg| {
            let arg = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
            Some(arg.split_once('=').unwrap_or((arg, "true")))
        })
}

/// Whole processors of the limit, two without one.
fn threads(container: &Value) -> usize {
    let limit = text(container, "/resources/limits/cpu");
    let processors = match limit.strip_suffix('m') {
        Some(milli) => milli.parse::<usize>().map(|milli| milli.div_ceil(1000)),
        None => limit.parse(),
    };
    processors.unwrap_or(2).clamp(1, 8)
}

/// `1Gi`, `750Mi`, `6gb`, `512mb`, `1073741824` in bytes. Kubernetes' decimal units are close enough to read as such;
/// the server's units are powers of 1024.
pub(in crate::lab) fn bytes(amount: &str) -> Option<u64> {
    let lower = amount.trim().to_ascii_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    let scale = match unit {
        "" | "b" => 1.0,
        "k" if amount.contains('k') => 1e3,
        "m" if amount.contains('M') => 1e6,
        "g" if amount.contains('G') => 1e9,
        "ki" | "kb" | "kib" | "k" => 1024.0,
        "mi" | "mb" | "mib" | "m" => 1_048_576.0,
        "gi" | "gb" | "gib" | "g" => 1_073_741_824.0,
        "ti" | "tb" | "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    Some((number * scale) as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn container(args: &[&str], tag: &str) -> Value {
        json!({
            "name": "dragonfly", "image": format!("docker.dragonflydb.io/dragonflydb/dragonfly:{tag}"), "args": args,
            "env": [{"name": "DFLY_requirepass", "valueFrom": {"secretKeyRef": {"name": "auth", "key": "password"}}}],
            "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}},
        })
    }

    fn spec(args: &[&str], tag: &str) -> Result<EngineSpec, Refused> {
        engine_spec(
            "orders-0",
            &container(args, tag),
            IpAddr::from([10, 0, 0, 1]),
            |name, key| (name == "auth" && key == "password").then(|| "secret".to_owned()),
        )
    }

    #[test]
    fn arguments_environment_and_limits_become_a_spec() {
        let made = spec(
            &[
                "--alsologtostderr",
                "--snapshot_cron=*/5 * * * *",
                "--dir=/d",
            ],
            "v1.38.0",
        )
        .unwrap();
        assert_eq!(made.version, Version(1, 38, 0));
        assert_eq!(made.threads, 2);
        assert_eq!(made.maxmemory, (1 << 30) / 5 * 4);
        assert_eq!(made.password.as_deref(), Some("secret"));
        assert_eq!(
            (made.snapshot_cron.as_str(), made.dir.as_str()),
            ("*/5 * * * *", "/d")
        );
        assert_eq!(
            spec(&["--maxmemory=600mb", "--proactor_threads=1"], "v1.39.0")
                .unwrap()
                .maxmemory,
            600 << 20
        );
    }

    #[test]
    fn a_bad_tag_or_a_missing_secret_keeps_a_container_from_starting() {
        assert_eq!(spec(&[], "nosuch").unwrap_err().reason, "ErrImagePull");
        let missing = engine_spec(
            "p",
            &container(&[], "v1.39.0"),
            IpAddr::from([10, 0, 0, 1]),
            |_, _| None,
        );
        let missing = missing.unwrap_err();
        assert_eq!(missing.reason, "CreateContainerConfigError");
        assert!(missing.message.contains("password") && missing.message.contains("auth"));
    }

    #[test]
    fn images_are_told_apart() {
        assert!(is_server(
            "docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0"
        ));
        assert!(is_operator(
            "docker.dragonflydb.io/dragonflydb/operator:v1.6.1"
        ));
        assert!(!is_server("registry.example/shop:1") && !is_operator("registry.example/shop:1"));
    }

    #[test]
    fn amounts_are_read() {
        let table = [
            ("1Gi", Some(1 << 30)),
            ("750Mi", Some(750 << 20)),
            ("6gb", Some(6 << 30)),
            ("2G", Some(2_000_000_000)),
            ("17", Some(17)),
            ("", None),
            ("x", None),
        ];
        for (text, wanted) in table {
            assert_eq!(bytes(text), wanted, "{text}");
        }
    }
}

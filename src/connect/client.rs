//! One context's door: the API client that everybody of that context goes through.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Uri};
use jiff::Timestamp;
use kube::Client;
use kube::client::{AuthError, ClientBuilder};
use kube::config::{
    AuthInfo, Cluster, Config, Context, KubeConfigOptions, Kubeconfig, KubeconfigError,
    LoadDataError, NamedAuthInfo, NamedCluster, NamedContext,
};

use super::credential;
use super::fault::{self, Asked};
use super::guard::ReadOnly;
use super::kubeconfig::{Entry, Way};
use super::latch::Latch;
use super::proxy::ProxyVariables;
use crate::domain::{ContextId, Fault, FaultKind};

/// How patient a door is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For opening a connection, TLS included.
    pub connect: Duration,
    /// For a credential plugin.
    pub plugin: Duration,
}

/// The way into one context. Opened when first used, opened anew when its credential nears its end.
///
/// However many ask at once, a credential plugin runs once.
pub struct Door {
    id: ContextId,
    patience: Patience,
    latch: Latch,
    entry: Mutex<Entry>,
    open: tokio::sync::Mutex<Option<Open>>,
}

struct Open {
    client: Client,
    renew_at: Option<Timestamp>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.id)
    }
}

impl Door {
    /// A door that is still shut.
    pub fn new(entry: Entry, patience: Patience) -> Self {
        Self {
            id: entry.id.clone(),
            patience,
            latch: Latch::default(),
            entry: Mutex::new(entry),
            open: tokio::sync::Mutex::new(None),
        }
    }

    /// The context it leads to.
    pub fn id(&self) -> &ContextId {
        &self.id
    }

    /// Whether the context may be changed.
    pub fn latch(&self) -> &Latch {
        &self.latch
    }

    /// The kubeconfig entry as last read.
    pub fn entry(&self) -> Entry {
        self.entry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A client with a credential that is good for a while. Opens the door if it is shut or its credential nears its
    /// end, which may run a credential plugin.
    ///
    /// # Errors
    /// When the entry cannot be used ([`FaultKind::Unusable`]) or the plugin fails ([`FaultKind::Unauthenticated`]).
    pub async fn client(&self) -> Result<Client, Fault> {
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref()
            && open.renew_at.is_none_or(|at| at > Timestamp::now())
        {
            return Ok(open.client.clone());
        }
        let opened = self.make().await?;
        let client = opened.client.clone();
        *open = Some(opened);
        Ok(client)
    }

    /// Shuts the door after a refusal (401): the next [`Door::client`] reads the kubeconfig anew, for a login may have
    /// written to it, and runs the plugin again.
    pub async fn shut(&self) {
        let mut open = self.open.lock().await;
        *open = None;
        let entry = self.entry();
        let fresh = tokio::task::spawn_blocking(move || entry.reread()).await;
        if let Ok(Some(fresh)) = fresh {
            *self.entry.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }

    /// Looks into the kubeconfig again after the server did not answer at all: whoever makes a cluster anew writes its new
    /// address there. Tells whether the door leads elsewhere now; if not, nothing is opened anew and no plugin runs.
    pub async fn look_again(&self) -> bool {
        let entry = self.entry();
        let fresh = tokio::task::spawn_blocking(move || {
            entry.reread().filter(|fresh| !fresh.leads_where(&entry))
        });
        let Ok(Some(fresh)) = fresh.await else {
            return false;
        };
        *self.open.lock().await = None;
        *self.entry.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        true
    }

    async fn make(&self) -> Result<Open, Fault> {
        let entry = self.entry();
        let (config, renew_at) = match entry.way.clone()? {
            Way::InCluster => (in_cluster()?, None),
            Way::Kubeconfig { cluster, user } => {
                refuse_old_provider(&user)?;
                let (user, renew_at) = match &user.exec {
                    None => (*user, None),
                    Some(exec) => {
                        let now = Timestamp::now();
                        let given =
                            credential::run(exec, &cluster, self.patience.plugin, now).await?;
                        let renew_at = given.renew_at;
                        (given.put_into(&user), renew_at)
                    }
                };
                let config = from_kubeconfig(*cluster, user, entry.namespace.as_deref()).await?;
                (config, renew_at)
            }
        };
        let connect = self.patience.connect;
        let agent = user_agent(&self.id);
        // Reads certificate files and the system's roots: tens of milliseconds that belong on no async thread.
        let built = tokio::task::spawn_blocking(move || build(config, connect, agent)).await;
        match built {
            Ok(client) => Ok(Open {
                client: client?,
                renew_at,
            }),
            Err(error) => Err(
                Fault::new(FaultKind::Unusable, "the client could not be made")
                    .with_detail(error.to_string()),
            ),
        }
    }
}

fn build(mut config: Config, connect: Duration, agent: HeaderValue) -> Result<Client, Fault> {
    // Its own retries would go on for minutes where nobody sees them. No read timeout: an idle port-forward would die
    // of it; every request has a deadline of its own instead.
    config.default_retry = false;
    config.connect_timeout = Some(connect);
    config.read_timeout = None;
    config.headers.push((http::header::USER_AGENT, agent));
    let opened =
        ClientBuilder::try_from(config).map(|builder| builder.with_layer(&ReadOnly).build());
    opened.map_err(|error| match &error {
        kube::Error::Auth(AuthError::ReadTokenFile(..)) => {
            Fault::new(FaultKind::Unauthenticated, "the token file cannot be read")
                .with_detail(fault::chain(&error))
                .with_hint("check tokenFile in the kubeconfig")
        }
        kube::Error::InferKubeconfig(inner) => of_kubeconfig(inner),
        _ => Fault::new(
            FaultKind::Unusable,
            "the kubeconfig's entry does not make a client",
        )
        .with_detail(fault::chain(&error)),
    })
}

/// `darner/0.1.0 (linux; context kind-a)`: tells in an API server's audit log who asks, and for which entry.
fn user_agent(id: &ContextId) -> HeaderValue {
    let name: String = id
        .as_str()
        .chars()
        .map(|c| match c {
            ' '..='~' if !matches!(c, '(' | ')' | '\\') => c,
            _ => '?',
        })
        .collect();
    let agent = format!(
        "darner/{} ({}; context {name})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS
    );
    HeaderValue::try_from(agent).unwrap_or(HeaderValue::from_static("darner"))
}

fn in_cluster() -> Result<Config, Fault> {
    let config = Config::incluster().map_err(|error| {
        Fault::new(
            FaultKind::Unusable,
            "the pod's service account cannot be used",
        )
        .with_detail(fault::chain(&error))
        .with_hint("run with --kubeconfig, or mount a service account token")
    })?;
    with_proxy(config, None, &ProxyVariables::of_process())
}

/// Sets the proxy: the one that the kubeconfig asks for, else the environment's, in a pod as elsewhere (client-go does
/// the same).
fn with_proxy(
    mut config: Config,
    asked: Option<&str>,
    variables: &ProxyVariables,
) -> Result<Config, Fault> {
    config.proxy_url = match asked {
        Some(url) => Some(proxy_url(url).ok_or_else(|| bad_proxy("proxy-url", url))?),
        None => variables
            .for_server(&config.cluster_url)
            .map_err(|value| bad_proxy("HTTPS_PROXY or HTTP_PROXY", &value))?,
    };
    Ok(config)
}

async fn from_kubeconfig(
    cluster: Cluster,
    user: AuthInfo,
    namespace: Option<&str>,
) -> Result<Config, Fault> {
    let asked_proxy = cluster.proxy_url.clone();
    // The kube client takes whole kubeconfigs: one with a single context is given to it.
    let alone = Kubeconfig {
        clusters: vec![NamedCluster {
            name: "it".to_owned(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: "it".to_owned(),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: "it".to_owned(),
            context: Some(Context {
                cluster: "it".to_owned(),
                user: Some("it".to_owned()),
                namespace: namespace.map(str::to_owned),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        ..Kubeconfig::default()
    };
    let options = KubeConfigOptions {
        context: Some("it".to_owned()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(alone, &options)
        .await
        .map_err(|error| of_kubeconfig(&error))?;
    // One that names no scheme is taken for a host, and asked nothing.
    if config.cluster_url.host().is_none() || config.cluster_url.scheme().is_none() {
        return Err(no_url(&config.cluster_url.to_string()));
    }
    with_proxy(
        config,
        asked_proxy.as_deref(),
        &ProxyVariables::of_process(),
    )
}

fn proxy_url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    matches!(url.scheme_str(), Some("http" | "https" | "socks5")).then_some(url)
}

fn bad_proxy(source: &str, value: &str) -> Fault {
    // A proxy URL may carry a password before the @.
    let shown = value.rsplit_once('@').map_or(value, |(_, host)| host);
    Fault::new(
        FaultKind::Unusable,
        format!("{source} is not a proxy's URL: {shown}"),
    )
    .with_hint("http://HOST:PORT, https://HOST:PORT and socks5://HOST:PORT work")
}

fn no_url(server: &str) -> Fault {
    Fault::new(
        FaultKind::Unusable,
        format!("the cluster's server is not a URL: {server:?}"),
    )
    .with_hint("write it as https://HOST:PORT in the kubeconfig")
}

/// Plugins that were built into clients and have been taken out of them; one of them runs a command unasked.
fn refuse_old_provider(user: &AuthInfo) -> Result<(), Fault> {
    match &user.auth_provider {
        Some(provider) if provider.name != "oidc" => Err(Fault::new(
            FaultKind::Unusable,
            format!(
                "auth-provider {:?} is not supported, by kubectl neither since 1.26",
                provider.name
            ),
        )
        .with_hint("use the vendor's exec plugin: gke-gcloud-auth-plugin, kubelogin")),
        _ => Ok(()),
    }
}

fn of_kubeconfig(error: &KubeconfigError) -> Fault {
    let unusable = |message: String| Fault::new(FaultKind::Unusable, message);
    let unread = |what: &str, error: &LoadDataError| match error {
        LoadDataError::ReadFile(_, path) => Fault::new(
            FaultKind::Unauthenticated,
            format!("the {what} cannot be read: {}", path.display()),
        ),
        LoadDataError::DecodeBase64(_) => {
            unusable(format!("the {what} in the kubeconfig is not base64"))
        }
        LoadDataError::NoBase64DataOrFile => unusable(format!(
            "the kubeconfig has no {what} beside its counterpart"
        )),
    };
    match error {
        KubeconfigError::MissingClusterUrl => {
            unusable("the kubeconfig's cluster has no server".to_owned())
        }
        KubeconfigError::ParseClusterUrl(_) => no_url("…"),
        KubeconfigError::ParseProxyUrl(_) | KubeconfigError::ParseNoProxy(_) => unusable(
            "a proxy setting cannot be read: proxy-url, HTTPS_PROXY or NO_PROXY".to_owned(),
        ),
        KubeconfigError::LoadCertificateAuthority(e) => unread("certificate authority", e),
        KubeconfigError::LoadClientCertificate(e) => unread("client certificate", e),
        KubeconfigError::LoadClientKey(e) => unread("client key", e),
        KubeconfigError::ParseCertificates(_) => {
            unusable("the certificate authority in the kubeconfig is not PEM".to_owned())
        }
        _ => unusable("the kubeconfig's entry cannot be used".to_owned()),
    }
    .with_detail(fault::chain(error))
}

/// The question that a heartbeat is, for sentences.
pub const HEARTBEAT: Asked<'static> = Asked {
    verb: "/version",
    resource: "",
    group: "",
    namespace: None,
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_environments_proxy_counts_where_the_entry_names_none() {
        let variables = ProxyVariables::of("http://jane:pw@s:3128", "p:80", "10.0.0.0/8");
        let broken = ProxyVariables::of("ht tp", "p:80", "");
        for (server, asked, variables, wanted) in [
            // A pod's way goes by KUBERNETES_SERVICE_HOST, and asks for none.
            ("https://172.20.0.1", None, &variables, Ok(Some("s:3128"))),
            ("https://10.96.0.1", None, &variables, Ok(None)),
            ("http://172.20.0.1", None, &variables, Ok(Some("p:80"))),
            (
                "https://10.96.0.1",
                Some("socks5://q:1080"),
                &variables,
                Ok(Some("q:1080")),
            ),
            (
                "https://api.example",
                None,
                &broken,
                Err("HTTPS_PROXY or HTTP_PROXY is not a proxy's URL: ht tp"),
            ),
            (
                "https://api.example",
                Some("ftp://jane:pw@q:1080"),
                &variables,
                Err("proxy-url is not a proxy's URL: q:1080"),
            ),
        ] {
            let config = Config::new(server.parse().unwrap());
            let got = with_proxy(config, asked, variables)
                .map(|config| {
                    let authority = config.proxy_url?.authority()?.to_string();
                    let host = authority.rsplit('@').next()?;
                    Some(host.to_owned())
                })
                .map_err(|fault| fault.message);
            let wanted = wanted
                .map(|host: Option<&str>| host.map(str::to_owned))
                .map_err(str::to_owned);
            assert_eq!(got, wanted, "{server} {asked:?}");
        }
    }
}

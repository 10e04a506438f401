//! From a request to the file that answers it.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, StatusCode};
use serde_json::Value;

use super::access::{Attempt, User};
use super::call::{Call, Heads, Query, Route, Target};
use super::faults::Effect;
use super::reply::{self, Reply};
use super::{
    Desk, discovery, evict, exec, follow, forward, list, logs, openapi, proxy, scale, write,
};
use crate::lab::clock;
use crate::lab::resources::NAMESPACES;
use crate::lab::status::Status;

/// The largest body an API server reads.
const LARGEST: usize = 3 * 1024 * 1024;

/// Answers one request.
pub(super) async fn answer(desk: Arc<Desk>, request: Request<Incoming>) -> Reply {
    let user = match desk.rights.identify(request.headers()) {
        Ok(user) => user,
        Err(status) => return reply::failure(&status),
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let route = Route::find(request.uri().path(), &desk.store);
    let target = match route {
        Ok(Route::Objects(target)) => Some(target),
        Ok(Route::Other(parts)) => return other(&desk, &user, &request, &parts).await,
        Err(status) => match trouble(&desk, &user, None).await {
            Trouble::After(harm) => return harm.done_to(reply::failure(&status)).await,
            Trouble::Instead(answer) => return answer,
        },
    };
    let Some(target) = target else {
        return reply::failure(&Status::no_such_resource());
    };
    let Some(verb) = target.verb(request.method(), &query) else {
        return reply::failure(&Status::method_not_allowed());
    };
    let Target {
        resource,
        namespace,
        name,
        subresource,
        rest,
    } = *target;
    let heads = Heads::read(request.headers());
    let call = Call {
        user,
        verb,
        resource,
        namespace,
        name,
        subresource,
        rest,
        query,
        heads,
    };
    let attempt = call.attempt();
    let harm = match trouble(&desk, &call.user, Some(&attempt)).await {
        Trouble::Instead(answer) => return answer,
        Trouble::After(harm) => harm,
    };
    let allowed = desk.rights.check(&call.user, &attempt);
    let answer = match allowed {
        Ok(()) => objects(&desk, call, request).await,
        Err(status) => Err(status),
    };
    let answer = answer.unwrap_or_else(|status| reply::failure(&status));
    harm.done_to(answer).await
}

impl Call {
    /// What an authorizer and a fault see.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt {
            verb: self.verb,
            what: self.resource.id(),
            subresource: &self.subresource,
            // A namespace is in itself, for authorizers.
            namespace: if self.resource.id() == NAMESPACES {
                &self.name
            } else {
                &self.namespace
            },
            name: &self.name,
        }
    }
}

enum Trouble {
    /// The request is answered, and this is done to the answer.
    After(Harm),
    Instead(Reply),
}

/// What is done to an answer on its way.
#[derive(Default)]
struct Harm {
    halve: bool,
    nameless: bool,
}

impl Harm {
    async fn done_to(&self, mut answer: Reply) -> Reply {
        if self.nameless {
            answer = reply::nameless(answer).await;
        }
        match self.halve {
            true => reply::halved(answer).await,
            false => answer,
        }
    }
}

/// Lets a request meet the faults that are switched on.
async fn trouble(desk: &Desk, user: &User, attempt: Option<&Attempt<'_>>) -> Trouble {
    let mut harm = Harm::default();
    for effect in desk.faults.meet(user, attempt) {
        let answer = match effect {
            Effect::Delay(time) => {
                tokio::time::sleep(time).await;
                continue;
            }
            Effect::Hang => {
                desk.faults.wait_while_hanging(user, attempt).await;
                continue;
            }
            Effect::CloseHalfway => {
                harm.halve = true;
                continue;
            }
            Effect::Nameless => {
                harm.nameless = true;
                continue;
            }
            Effect::Forbid => {
                let Some(Attempt {
                    verb,
                    what,
                    subresource,
                    namespace,
                    name,
                }) = attempt.copied()
                else {
                    continue;
                };
                reply::failure(&Status::forbidden(
                    &user.name,
                    verb,
                    what,
                    subresource,
                    namespace,
                    name,
                ))
            }
            Effect::TooManyRequests { retry_after } => reply::too_many_requests(retry_after),
            // What an API server says while etcd does not answer it: no reason.
            Effect::InternalError => reply::failure(&Status {
                code: 500,
                reason: "",
                message: "etcdserver: request timed out".into(),
                details: Value::Null,
                metadata: Value::Null,
            }),
            Effect::Conflict => {
                let why = "the object has been modified; please apply your changes to the latest version and try again";
                let Some(attempt) = attempt else { continue };
                reply::failure(&Status::conflict(attempt.what, attempt.name, why))
            }
            Effect::Expired => reply::failure(&Status::list_expired()),
            Effect::Unavailable => reply::failure(&Status::starting()),
            Effect::BadGateway => reply::bytes(
                502,
                "text/html",
                "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                 Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
            ),
        };
        return Trouble::Instead(answer);
    }
    Trouble::After(harm)
}

/// Discovery, version, health, OpenAPI.
async fn other(desk: &Desk, user: &User, request: &Request<Incoming>, parts: &[String]) -> Reply {
    let harm = match trouble(desk, user, None).await {
        Trouble::Instead(answer) => return answer,
        Trouble::After(harm) => harm,
    };
    let heads = Heads::read(request.headers());
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut answer = if let ["openapi", below @ ..] = words.as_slice() {
        openapi::answer(&desk.store, below, &heads)
    } else {
        discovery::answer(&desk.store, &words, &heads)
    };
    // What is not there is not there for any method.
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && answer.status() != StatusCode::NOT_FOUND {
        answer = reply::failure(&Status::method_not_allowed());
    }
    harm.done_to(answer).await
}

/// Everything about objects, once it is allowed.
async fn objects(
    desk: &Arc<Desk>,
    call: Call,
    mut request: Request<Incoming>,
) -> Result<Reply, Status> {
    let upgrade = request.headers().contains_key(hyper::header::UPGRADE);
    match (call.subresource.as_str(), call.resource.plural.as_ref()) {
        ("exec" | "attach", "pods") if upgrade => {
            return exec::answer(desk, call, &mut request).await;
        }
        ("portforward", "pods") if upgrade => {
            return forward::answer(desk, call, &mut request).await;
        }
        ("exec" | "attach" | "portforward", "pods") => {
            return Err(Status::bad_request("Upgrade request required"));
        }
        ("log", "pods") => return logs::answer(desk, &call).await,
        ("proxy", "pods" | "services" | "nodes") => {
            let method = request.method().clone();
            return proxy::answer(desk, &call, &method, body(request).await?).await;
        }
        _ => (),
    }
    if call.resource.create_only {
        let review = write::parse(&body(request).await?, &call)?;
        return match call.verb {
            "create" => Ok(reply::json(
                201,
                &desk.rights.review(
                    &call.resource.kind,
                    &call.user,
                    review,
                    &discovery::served(&desk.store),
                    &clock::seconds(desk.store.now()),
                ),
            )),
            _ => Err(Status::method_not_allowed()),
        };
    }
    let known = match call.subresource.as_str() {
        "" => true,
        "status" => call.resource.status,
        "scale" => call.resource.scale,
        sub => call
            .resource
            .subresources
            .iter()
            .any(|(name, _)| *name == sub),
    };
    if !known {
        return Err(Status::no_such_resource());
    }
    list::wait_until_reached(desk, &call).await;
    match (call.verb, call.subresource.as_str()) {
        ("list", "") => list::list(desk, &call),
        ("watch", "") => follow::watch(desk, &call),
        ("get", "" | "status") => list::get(desk, &call),
        (_, "scale") => scale::answer(desk, &call, body(request).await?),
        ("create", "eviction") => evict::answer(desk, &call, body(request).await?),
        ("create", "") => write::create(desk, &call, body(request).await?),
        ("update", "" | "status" | "finalize") => write::update(desk, &call, body(request).await?),
        ("patch", "" | "status") => write::patch(desk, &call, body(request).await?),
        ("delete", "") => write::delete(desk, &call, body(request).await?),
        ("deletecollection", "") => write::delete_collection(desk, &call, body(request).await?),
        _ => Err(Status::method_not_allowed()),
    }
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Status> {
    let limited = Limited::new(request.into_body(), LARGEST);
    match limited.collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) => Err(Status::bad_request(format!(
            "failed to read the request body: {error}"
        ))),
    }
}

//! One lab cluster: a store, machines, controllers, and the API server before them.

use std::io;

use super::api::Server;
use super::controllers::{
    Budgets, Claims, Deployments, Endpoints, LostPods, ReplicaSets, Services, StatefulSets,
    answer_requests, drive,
};
use super::engine::{LabClock, Network};
use super::kubelet::{Addresses, Ground, Machines};
use super::seed::Seed;
use super::store::Store;
use super::tasks::Tasks;

/// What the clusters of a lab share.
#[derive(Clone)]
pub(in crate::lab) struct Common {
    pub(in crate::lab) seed: Seed,
    pub(in crate::lab) tasks: Tasks,
    pub(in crate::lab) clock: LabClock,
    pub(in crate::lab) network: Network,
    pub(in crate::lab) speed: f64,
}

/// One cluster. Cloning shares it.
#[derive(Clone)]
pub(in crate::lab) struct Cluster {
    /// Its name, which is also its context's.
    pub(in crate::lab) name: &'static str,
    pub(in crate::lab) store: Store,
    pub(in crate::lab) machines: Machines,
    pub(in crate::lab) seed: Seed,
    tasks: Tasks,
}

impl Cluster {
    /// An empty cluster whose pods get addresses `10.ADDRESSES.x.y`.
    pub(in crate::lab) fn new(name: &'static str, common: &Common, addresses: u8) -> Self {
        let seed = Seed(common.seed.number(&["cluster", name]));
        let store = Store::new(seed.0, super::clock::Clock::default());
        let machines = Machines::new(Ground {
            store: store.clone(),
            seed,
            tasks: common.tasks.clone(),
            clock: common.clock.clone(),
            network: common.network.clone(),
            speed: common.speed,
            addresses: Addresses::new(addresses),
            attached: None,
        });
        Self {
            name,
            store,
            machines,
            seed,
            tasks: common.tasks.clone(),
        }
    }

    /// Starts the machines and controllers.
    pub(in crate::lab) fn work(&self) {
        let (store, seed, tasks) = (&self.store, self.seed, &self.tasks);
        tasks.spawn(self.machines.clone().run());
        tasks.spawn(drive(store.clone(), StatefulSets::new(store.clone(), seed)));
        tasks.spawn(drive(store.clone(), Deployments::new(store.clone(), seed)));
        tasks.spawn(drive(store.clone(), ReplicaSets::new(store.clone(), seed)));
        tasks.spawn(drive(store.clone(), Endpoints::new(store.clone(), seed)));
        tasks.spawn(drive(store.clone(), Budgets::new(store.clone())));
        tasks.spawn(drive(store.clone(), Claims::new(store.clone())));
        tasks.spawn(drive(store.clone(), Services::new(store.clone(), seed)));
        tasks.spawn(drive(store.clone(), LostPods::new(store.clone())));
        tasks.spawn(answer_requests(store.clone()));
    }

    /// Opens its API on a loopback port, for one user.
    ///
    /// # Errors
    /// When no port can be opened.
    pub(in crate::lab) async fn open(&self) -> io::Result<Server> {
        let server = Server::start(
            self.store.clone(),
            std::sync::Arc::new(self.machines.clone()),
        )
        .await?;
        server.rights().add_token(&self.token(), &self.user());
        Ok(server)
    }

    /// The user of its context.
    pub(in crate::lab) fn user(&self) -> String {
        format!("{}-admin", self.name)
    }

    /// The bearer token of its context.
    pub(in crate::lab) fn token(&self) -> String {
        self.seed.hex(40, &["token", &self.user()])
    }
}

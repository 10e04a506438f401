//! What can befall attached machines and engines while they run.

use super::LabNode;
use crate::lab::fault;
use crate::lab::running::LabError;

impl LabNode {
    /// Lets a fault befall it; the answer is a sentence.
    ///
    /// # Errors
    /// When there is no such fault, machine or pod.
    pub(super) fn play(&self, name: &str) -> Result<String, LabError> {
        let machines = &self.0.machines;
        match name {
            "operator-stalled" => {
                machines.stall_operator(true);
                Ok("the simulated operator does no work from now on".to_owned())
            }
            "heal" => {
                machines.stall_operator(false);
                for node in self.names() {
                    machines.bring_back(node);
                }
                for (_, engine) in machines.engines() {
                    engine.freeze(false);
                }
                Ok("everything is well again".to_owned())
            }
            name => {
                let unknown = || {
                    LabError::Refused(format!(
                        "there is no fault '{name}' of a node; there are {}, operator-stalled, heal",
                        fault::names()
                    ))
                };
                let fault = fault::read(name).ok_or_else(unknown)?;
                fault.befall(machines, self.names())
            }
        }
    }
}

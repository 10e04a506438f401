//! Instance.
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Fresh, Intent, Screen, ScreenDoc, See};
use crate::domain::InstanceId;
use crate::msg::Command;

/// Instance.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "instance",
    title: "Instance",
    doc: "one instance: topology, nodes, storage, findings, events, charts",
    about_instance: true,
    make: || Box::new(Instance::default()),
};

#[derive(Debug, Default)]
struct Instance {
    id: Option<InstanceId>,
}

impl Screen for Instance {
    fn refresh(&mut self, _: &See<'_>, _: &Fresh) -> bool {
        true
    }
    fn on(&mut self, _: &Command, _: &See<'_>) -> Vec<Intent> {
        Vec::new()
    }
    fn words(&self, _: &See<'_>) -> Vec<&'static str> {
        Vec::new()
    }
    fn selected(&self) -> Option<InstanceId> {
        self.id.clone()
    }
    fn turn_to(&mut self, instance: &InstanceId) {
        self.id = Some(instance.clone());
    }
    fn click(&mut self, _: u16, _: u16, _: &See<'_>) -> Vec<Intent> {
        Vec::new()
    }
    fn view(&self, _: &See<'_>, _: Rect, _: &mut Buffer) {}
}

//! darner: an operations console for Dragonfly on Kubernetes.
pub mod lab;

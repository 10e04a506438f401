pub(in crate::lab) mod crd;
pub(in crate::lab) mod election;
pub(in crate::lab) mod lease;
pub(in crate::lab) mod owned;
pub(in crate::lab) mod rollout;

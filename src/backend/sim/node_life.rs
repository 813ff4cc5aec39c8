//! tmp
use super::kubelet::{NodeId, PodId};
use super::setup::Params;
use crate::engine::{Streams, Time};
#[derive(Clone, Copy, Debug)]
pub enum NodeLifeEvent {
    X,
}
#[derive(Clone, Debug)]
pub enum NodeOutput {
    At(Time, NodeLifeEvent, bool),
    NotReady(NodeId),
    Evict(PodId),
}
#[derive(Debug)]
pub struct NodeLife;
impl NodeLife {
    pub fn new(_: &Params, _: Streams) -> Self {
        Self
    }
    pub fn add_node(&mut self, _: NodeId, _: u64, _: &str) {}
    pub fn node_down(&mut self, _: Time, _: NodeId, _: &mut Vec<NodeOutput>) {}
    pub fn node_up(&mut self, _: Time, _: NodeId, _: &mut Vec<NodeOutput>) {}
    pub fn node_removed(&mut self, _: Time, _: NodeId, _: &mut Vec<NodeOutput>) {}
    pub fn out_of_service(&mut self, _: Time, _: NodeId, _: &mut Vec<NodeOutput>) {}
    pub fn handle(&mut self, _: Time, _: NodeLifeEvent, _: &mut Vec<NodeOutput>) {}
}

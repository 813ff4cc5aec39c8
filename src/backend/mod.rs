//! The places where plans are carried out: `sim`, a simulated control plane.
//!
//! [`record`] is the shape in which a backend tells what happened; results are made from records alone.

pub mod record;
pub mod sim;

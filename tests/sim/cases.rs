//! Random organisations with their catalogues and events: those of the fidelity tests, which are
//! read here a second time.
#![allow(dead_code)] // the other test asks for more of it

#[path = "../it/fidelity/case.rs"]
pub mod case;
#[path = "../it/fidelity/catalog.rs"]
mod catalog;
#[path = "../it/fidelity/cell.rs"]
mod cell;
#[path = "../it/fidelity/dice.rs"]
pub mod dice;
#[path = "../it/fidelity/events.rs"]
pub mod events;
#[path = "../it/fidelity/prices.rs"]
mod prices;
#[path = "../it/fidelity/questions.rs"]
mod questions;

pub use dice::Dice;

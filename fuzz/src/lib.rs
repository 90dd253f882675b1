//! What the fuzz targets share: a site that keeps lanes by the rules, and a model that knows nothing of them.

#![forbid(unsafe_code)]

pub mod model;
pub mod operation;
pub mod signature;
pub mod site;
pub mod world;

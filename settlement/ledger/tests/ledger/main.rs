//! The embedded ledger from outside: rules, refusals, storage, and a model beside it.

mod batches;
mod escrows;
mod model;
mod participants;
mod storage;
mod vectors;
mod world;

//! What is told of an engine: numbers, whether it is well, and what is kept out of logs.

mod dashboard; // the panels, and the numbers that they ask for
mod masks; // numbers of telephones
mod numbers; // what is counted
mod open_metrics; // a strict reader of the text form
mod readiness; // whether deliveries should be sent here
mod world; // an engine to be watched

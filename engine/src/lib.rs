//! The body of the swarm: does what the brain's outputs say, reports what happened as inputs.

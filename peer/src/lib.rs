//! The person's side of the swarm: a prompt, one-shot verbs and a demonstration over one engine session.

//! Nothing but a home for the benchmarks in `benches/` and for `rivals/`, which measures whole programs.

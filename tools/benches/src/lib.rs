//! Nothing but a home for the benchmarks in `benches/`, for `rivals/`, which measures whole programs, and for the
//! words and figures that several of them share.

pub mod figures;

#[cfg(feature = "vocabulary")]
pub mod vocabulary;

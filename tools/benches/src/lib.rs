//! Nothing but a home for the benchmarks in `benches/`, for `rivals/`, which measures whole programs, and for the
//! words that several of them share.

#[cfg(feature = "vocabulary")]
pub mod vocabulary;

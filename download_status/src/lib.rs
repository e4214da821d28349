//! The brain of resume: it never claims a byte that is not on disk and verified.

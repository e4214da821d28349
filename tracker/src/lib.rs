//! The tracker: the registry behind its doors.

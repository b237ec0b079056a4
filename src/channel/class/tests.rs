//! Slots that only C fills, or only C calls.

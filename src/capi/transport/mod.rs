//! The channels that own a descriptor or memory.

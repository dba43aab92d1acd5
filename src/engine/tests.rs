//! The engine as its owner sees it: events in, effects out, in invented time.

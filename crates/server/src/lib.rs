//! The edge: HTTP, AWS JSON 1.1, SigV4, admin API and metrics

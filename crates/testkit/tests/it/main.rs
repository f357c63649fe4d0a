//! The kit, and the request path tried through it, over a service made for the purpose.

mod kit;
mod toys;
mod wrong_allow;

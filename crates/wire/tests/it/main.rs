//! Codecs and router from outside, over hand-made models: no real service is needed to know that the wire is read right.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod model;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod routing;

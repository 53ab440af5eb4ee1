//! A master seen from outside, over real sockets, in this process: what other people's sources,
//! players, scripts and servers send and expect.

#[cfg(test)]
mod headers;
#[cfg(test)]
mod listening;
#[cfg(test)]
mod log;
#[cfg(test)]
mod names;
#[cfg(test)]
mod office;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod ready;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod station;
#[cfg(test)]
mod titles;
#[cfg(test)]
mod told;

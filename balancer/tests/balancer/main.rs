//! The balancer seen from outside: over real sockets, in this process and as a program.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod defects_of_2011;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod families;
#[cfg(test)]
mod hall;
#[cfg(test)]
mod history;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod master;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod people;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod program;
#[cfg(test)]
mod proxied;
#[cfg(test)]
mod relays;
#[cfg(test)]
mod reread;
#[cfg(test)]
mod share;
#[cfg(test)]
mod tickets;

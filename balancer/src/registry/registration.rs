//! What the operator says of a relay, and who he is to us. Pure.

use std::time::Instant;

use super::Orders;
use crate::base_url::BaseUrl;
use crate::place::Spot;
use crate::token::TokenDigest;

/// What the operator says of a relay.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// What it shows with its reports. `None`: it sends none, but is asked.
    pub token: Option<TokenDigest>,
    /// The only address it may report.
    pub url: Option<BaseUrl>,
    /// Where it is; stronger than what it reports.
    pub spot: Spot,
    /// What the operator wants of it.
    pub orders: Orders,
}

/// When a registry began, and what its tickets are told by.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Names this run of the balancer; not 0.
    pub run: u32,
    /// It began at this moment, …
    pub at: Instant,
    /// … which is this many Unix seconds.
    pub second: u32,
}

//! Filters of networks.

use super::{Filter, labelled, truth, until};
use engine::network::ListedNetwork;

type F = Filter<ListedNetwork, ()>;

/// All of them.
pub const NETWORKS: &[F] = &[
    F::any("name", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedNetwork| listed.network.name.contains(&value)))
    }),
    F::any("id", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedNetwork| listed.network.id.starts_with(&value)))
    }),
    F::any("driver", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedNetwork| listed.network.driver.name() == value))
    }),
    F::any("dangling", |value, ()| {
        let wanted = truth("dangling", value)?;
        Ok(Box::new(move |listed: &ListedNetwork| listed.users.is_empty() == wanted))
    }),
    F::all("label", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedNetwork| labelled(&listed.network.labels, &value)))
    }),
    F::any("label!", |value, ()| {
        let value = value.to_owned();
        Ok(Box::new(move |listed: &ListedNetwork| !labelled(&listed.network.labels, &value)))
    }),
    F::all("until", |value, ()| {
        let until = until(value)?;
        Ok(Box::new(move |listed: &ListedNetwork| listed.network.created < until))
    }),
];

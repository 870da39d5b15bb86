//! The network: devices, addresses, routes, resolver, published ports.

use super::Page;
use crate::columns::Columns;
use engine::sides::Sides;

/// So many devices, and so many routes, are shown.
const MOST: usize = 12;

pub(super) fn write(page: &mut Page, sides: &Sides) {
    let network = &sides.sees.network;
    let whose = if network.host { " (this machine's own)" } else { "" };
    page.line(&format!("  network  {}{whose}", network.mode));
    let mut columns = Columns::new(4, &[]);
    for interface in network.interfaces.iter().take(MOST) {
        let place = interface.network.as_ref().map(|network| format!("in {network}"));
        let outside = interface.outside.as_ref().map(|outside| format!("outside {outside}"));
        let more = [place, outside, interface.mac.clone(), Some(format!("mtu {}", interface.mtu))];
        let more = more.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let state = if interface.up { "up" } else { "down" };
        columns.row([&interface.name, state, interface.addresses.first().map_or("", |address| address), &more]);
        for address in interface.addresses.iter().skip(1).take(MOST) {
            columns.row(["", "", address, ""]);
        }
    }
    page.text.push_str(&columns.lines(page.width));
    page.more(4, network.interfaces.len().saturating_sub(MOST) + network.more_interfaces, "devices");
    let mut columns = Columns::new(4, &[]);
    for route in network.routes.iter().take(MOST) {
        let gateway = route.gateway.map_or_else(|| "on the link".to_owned(), |gateway| format!("by {gateway}"));
        columns.row(["route", &route.to, &gateway, &format!("over {}", route.device)]);
    }
    page.text.push_str(&columns.lines(page.width));
    page.more(4, network.routes.len().saturating_sub(MOST) + network.more_routes, "routes");
    if !network.servers.is_empty() || !network.search.is_empty() {
        let servers = network.servers.iter().map(String::as_str);
        let search = if network.search.is_empty() { None } else { Some("in") };
        let domains = network.search.iter().map(String::as_str);
        page.words(4, ["resolver "].into_iter().chain(servers).chain(search).chain(domains));
    }
    for port in network.published.iter().take(MOST) {
        page.line(&format!("    port  {} of this machine -> {}", port.outside, port.inside));
    }
    page.more(4, network.published.len().saturating_sub(MOST), "ports");
}

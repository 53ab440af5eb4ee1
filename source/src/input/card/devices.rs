//! Which sound cards there are, and the one that is meant by a name.

use anyhow::{Context, bail};
use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, DeviceId, Host, HostId};

/// ALSA lists much that records nothing. These are helpers of its own, not cards.
const NO_CARDS: [&str; 12] = [
    "null",
    "jack",
    "oss",
    "samplerate",
    "speexrate",
    "lavrate",
    "upmix",
    "vdownmix",
    "speex",
    "usbstream",
    "a52",
    "hdmi",
];

/// A device that can be recorded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What `--device` takes, such as `plughw:CARD=Desk,DEV=0`.
    pub name: String,
    /// What its driver says it is.
    pub description: String,
}

/// The devices that can be recorded from.
///
/// # Errors
/// When ALSA itself does not work.
pub fn list() -> anyhow::Result<Vec<Listed>> {
    let devices = host()?.devices().context("ALSA lists no devices")?;
    Ok(devices.filter_map(|device| listed(&device)).collect())
}

/// `list` as lines for people.
pub fn describe(devices: &[Listed]) -> String {
    if devices.is_empty() {
        return "no sound card that can record was found: is it plugged in, and may this user \
                use it (group `audio`)?"
            .to_owned();
    }
    let width = devices
        .iter()
        .map(|device| device.name.len())
        .max()
        .unwrap_or(0);
    let lines: Vec<_> = devices
        .iter()
        .map(|device| format!("  {:width$}  {}", device.name, device.description))
        .collect();
    lines.join("\n")
}

/// The device with this name; or the only one whose name or description contains it.
///
/// # Errors
/// When there is none, or more than one: lists what there is.
pub(super) fn find(name: &str) -> anyhow::Result<Device> {
    let host = host()?;
    if name == "default" {
        return host
            .default_input_device()
            .context("there is no default sound card: name one, see --list-devices");
    }
    let id = DeviceId::new(HostId::Alsa, name);
    if let Some(device) = host.device_by_id(&id) {
        return Ok(device);
    }
    let all: Vec<_> = host.devices().context("ALSA lists no devices")?.collect();
    let all: Vec<_> = all
        .into_iter()
        .filter_map(|device| Some((listed(&device)?, device)))
        .collect();
    let wanted = name.to_lowercase();
    let is_meant = |listed: &Listed| {
        let text = format!("{} {}", listed.name, listed.description);
        text.to_lowercase().contains(&wanted)
    };
    let mut meant: Vec<_> = all.iter().filter(|(listed, _)| is_meant(listed)).collect();
    // One card appears several times. With conversions it always works.
    if meant
        .iter()
        .any(|(listed, _)| listed.name.starts_with("plughw:"))
    {
        meant.retain(|(listed, _)| listed.name.starts_with("plughw:"));
    }
    let names = |devices: &[&(Listed, Device)]| {
        let listed: Vec<_> = devices.iter().map(|(listed, _)| listed.clone()).collect();
        describe(&listed)
    };
    match meant.as_slice() {
        [(_, device)] => Ok(device.clone()),
        [] => bail!(
            "no sound card called `{name}`; there are:\n{}",
            names(&all.iter().collect::<Vec<_>>())
        ),
        several => bail!(
            "`{name}` fits several sound cards; name one:\n{}",
            names(several)
        ),
    }
}

fn host() -> anyhow::Result<Host> {
    cpal::host_from_id(HostId::Alsa).context("ALSA does not work on this machine")
}

fn listed(device: &Device) -> Option<Listed> {
    let id = device.id().ok()?;
    let name = id.id().to_owned();
    let kind = name.split(':').next().unwrap_or_default();
    if NO_CARDS.contains(&kind) || !device.supports_input() {
        return None;
    }
    let description = device.description().ok().map_or_else(String::new, |about| {
        let mut lines = vec![about.name().to_owned()];
        lines.extend(about.extended().map(str::to_owned));
        lines.dedup();
        lines.join(", ")
    });
    Some(Listed { name, description })
}

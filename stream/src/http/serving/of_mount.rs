//! A `[[mount]]` of the settings, as it stands in the file.

use std::path::PathBuf;

use serde::Deserialize;

use crate::http::added::Added;
use crate::mount::MountPath;
use crate::post::PostUrl;
use crate::secret::{Secret, deserialize_given};
use crate::text::Charset;

/// Settings of one mount that differ from those for all.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountSettings {
    /// Which mount.
    pub path: MountPath,
    /// Seconds between two writes to one listener; 0 is every page.
    pub pace_seconds: Option<f64>,
    /// Seconds of recent sound sent at once to a new listener.
    pub burst_seconds: Option<f64>,
    /// Seconds without the source after which filler stands in for it; 0 is never. At a master
    /// only.
    pub filler_after_seconds: Option<f64>,
    /// Hours of it that are kept as a recording; 0 is no limit of time. At a master only.
    pub keep_hours: Option<f64>,
    /// Megabytes of it that are kept as a recording; 0 is no limit of size. At a master only.
    pub keep_megabytes: Option<u64>,
    /// Listeners at once; without it, as many as there are slots. At a master only.
    pub max_listeners: Option<usize>,
    /// Seconds that one listener may listen.
    pub max_listener_seconds: Option<u64>,
    /// The station's name, whatever the source says. At a master only.
    pub name: Option<String>,
    /// A sentence about it, likewise. At a master only.
    pub description: Option<String>,
    /// Its kind, likewise. At a master only.
    pub genre: Option<String>,
    /// Its web page, likewise. At a master only.
    pub website: Option<String>,
    /// Kilobits a second, likewise. At a master only.
    pub bitrate_kilobits: Option<u32>,
    /// Whether it is listed in directories, likewise. At a master only.
    pub public: Option<bool>,
    /// In no list and on no page. At a master only.
    #[serde(default)]
    pub hidden: bool,
    /// Heard as another mount's fallback, and not by its name. At a master only.
    #[serde(default)]
    pub only_as_fallback: bool,
    /// Where its listeners are while its source is away. At a master only.
    pub fallback: Option<MountPath>,
    /// Whether one who finds the mount full gets its fallback. At a master only.
    #[serde(default)]
    pub fallback_when_full: bool,
    /// Seconds without a byte after which its source is disconnected. At a master only.
    pub source_timeout_seconds: Option<u64>,
    /// Seconds that the source has to be away before. At a master only.
    pub fallback_after_seconds: Option<f64>,
    /// What its listeners hear while its source is away, again and again. At a master only.
    pub fallback_file: Option<PathBuf>,
    /// What a new listener hears before the live stream.
    pub intro_file: Option<PathBuf>,
    /// Where what its source sends is copied, in the words of `strftime`. At a master only.
    pub dump_file: Option<String>,
    /// How much of it goes into one file, in megabytes. At a master only.
    pub dump_megabytes: Option<u64>,
    /// Where titles go. At a master only.
    #[serde(default)]
    pub titles: Titles,
    /// In which character set titles come that name none. At a master only.
    pub charset: Option<Charset>,
    /// Bytes of sound between two titles for players that ask; 0 is no titles. At a master only.
    pub icy_interval_bytes: Option<u32>,
    /// A file of users and passwords; only these may listen.
    pub htpasswd: Option<PathBuf>,
    /// Who is asked whether somebody may listen.
    pub listener_auth_url: Option<String>,
    /// Who is told when one of them goes about whom was asked.
    pub listener_remove_url: Option<PostUrl>,
    /// The header of an answer by which those who are asked say yes, with its word.
    pub auth_header: Option<String>,
    /// The header in which they say for how many seconds.
    pub auth_timelimit_header: Option<String>,
    /// What they are told of the headers of a listener's request.
    #[serde(default)]
    pub auth_forward_headers: Vec<String>,
    /// What stands before the names of these.
    #[serde(default)]
    pub auth_forward_prefix: String,
    /// Who we say we are to those who are asked or told.
    #[serde(default)]
    pub auth_user: String,
    /// And our password there.
    #[serde(default, deserialize_with = "deserialize_given")]
    pub auth_password: Option<Secret>,
    /// What is run when a source begins to be heard. At a master only.
    #[serde(default)]
    pub on_connect: Vec<String>,
    /// What is run when it is gone. At a master only.
    #[serde(default)]
    pub on_disconnect: Vec<String>,
    /// Where it is posted that a source begins to be heard. At a master only.
    pub on_connect_url: Option<PostUrl>,
    /// Where it is posted that it is gone. At a master only.
    pub on_disconnect_url: Option<PostUrl>,
    /// Where the same is posted in Icecast's words, `mount_add`. At a master only.
    pub mount_add_url: Option<PostUrl>,
    /// And `mount_remove`. At a master only.
    pub mount_remove_url: Option<PostUrl>,
    /// Headers of its own for those who listen.
    #[serde(default)]
    pub headers: Added,
    /// Who is asked whether a source may publish that shows no password of a `[[source]]`. At a
    /// master only.
    pub source_auth_url: Option<PostUrl>,
}

/// Where a title goes that somebody tells a master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Titles {
    /// Beside the stream only.
    #[default]
    OutOfBand,
    /// Into a stream of Ogg, too, as a link of its own.
    Chained,
}

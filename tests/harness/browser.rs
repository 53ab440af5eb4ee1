//! Real browsers, driven by the scripts in `browser/`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// Where the scripts are, with what they need.
///
/// # Errors
/// When it was not installed. Says how.
pub fn scripts() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let driver = folder.join("node_modules/playwright-core");
    ensure!(
        driver.is_dir(),
        "`make setup` installs {}",
        driver.display()
    );
    Ok(folder)
}

//! The BTF of a kernel, out of its compressed image, without booting it.
//!
//! A bzImage's setup header says where the payload is; its first bytes say how it is packed; the
//! system's own program unpacks it. Fails when the image, the packing or the ELF is not understood.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectSection as _};

use crate::process;

/// The section `.BTF` of the kernel in this image.
pub(super) fn btf(image: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let payload = payload(&bytes).context("this is no bzImage with a payload")?;
    let elf = unpack(payload)?;
    let file = object::File::parse(&*elf).context("the payload is no ELF file")?;
    let section = file
        .section_by_name(".BTF")
        .context("the kernel was built without BTF")?;
    Ok(section
        .data()
        .context("the section .BTF cannot be read")?
        .to_vec())
}

/// The compressed kernel, from the setup header (boot protocol 2.08, Linux 2.6.26).
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        let bytes: [u8; 4] = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    // 0 means 4, for boot loaders of the last century.
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let start = (setup_sectors + 1) * 512 + word(0x248)?;
    image.get(start..start.checked_add(word(0x24c)?)?)
}

/// What the payload was packed from.
fn unpack(payload: &[u8]) -> Result<Vec<u8>> {
    let (program, package) = match payload {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("xz", "xz-utils"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", "zstd"),
        [0x02, 0x21, 0x4c, 0x18, ..] => ("lz4", "lz4"),
        [0x1f, 0x8b, ..] => ("gzip", "gzip"),
        _ => bail!("it is packed in a way that is not known here"),
    };
    // The build appends the unpacked size as four bytes to what does not bear it itself.
    let packed = match program {
        "gzip" => payload,
        _ => &payload[..payload.len() - 4],
    };
    decompress(program, package, packed)
}

/// What `PROGRAM -dc` makes of the bytes.
pub(super) fn decompress(program: &str, package: &str, packed: &[u8]) -> Result<Vec<u8>> {
    if process::on_path(program).is_none() {
        bail!("`{program}` not found: install the package {package}");
    }
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{program}`"))?;
    let mut input = child.stdin.take().context("a pipe was asked for")?;
    let output = std::thread::scope(|scope| {
        // Ended input is the program's to complain about.
        scope.spawn(move || drop(input.write_all(packed)));
        child.wait_with_output()
    })
    .with_context(|| format!("waiting for `{program}`"))?;
    if !output.status.success() {
        bail!("`{program} -dc` failed ({})", output.status);
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&5u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend([0; 5]);
        image.extend(payload);
        image
    }

    #[test]
    fn the_setup_header_says_where_the_payload_is() {
        assert_eq!(payload(&image(b"packed")), Some(&b"packed"[..]));
    }

    #[test]
    fn an_image_that_was_cut_off_has_no_payload() {
        let whole = image(b"packed");
        assert_eq!(payload(&whole[..whole.len() - 1]), None);
        assert_eq!(payload(&whole[..0x210]), None);
        assert_eq!(payload(b""), None);
    }

    #[test]
    fn an_unknown_packing_is_refused() {
        assert!(unpack(b"plain").is_err());
    }
}

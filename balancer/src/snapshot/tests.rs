//! Files that are damaged, of another version, or gone.

use super::*;

const NAME: &str = "x.json";
const BYTES_MAX: u64 = 1_000;

type Content = Vec<u32>;

fn check(content: &Content) -> Result<(), String> {
    if content.contains(&13) {
        return Err("holds 13".to_owned());
    }
    Ok(())
}

fn precious_one(folder: &Folder) -> Result<Option<Content>, String> {
    precious(folder, NAME, BYTES_MAX, check)
}

#[test]
fn what_matters_comes_back_and_damage_costs_at_most_the_last_change() {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(above.path()).unwrap();
    assert_eq!(precious_one(&folder), Ok(None));
    write_precious(&folder, NAME, BYTES_MAX, &vec![1]).unwrap();
    write_precious(&folder, NAME, BYTES_MAX, &vec![1, 2]).unwrap();
    assert_eq!(precious_one(&folder), Ok(Some(vec![1, 2])));
    let whole = std::fs::read(folder.file(NAME)).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(folder.file(NAME), &whole[..cut]).unwrap();
        assert!(check_precious(above.path(), NAME, BYTES_MAX, check).is_err());
        assert_eq!(precious_one(&folder), Ok(Some(vec![1])), "cut at {cut}");
        let aside = (1..=9)
            .rev()
            .map(|n| folder.file(&format!("{NAME}.damaged-{n}")))
            .find(|path| path.exists())
            .unwrap();
        assert_eq!(std::fs::read(aside).unwrap(), whole[..cut]);
        // The damaged one is out of the way, and its predecessor still there.
        write(&folder, NAME, BYTES_MAX, &vec![1, 2]).unwrap();
    }
}

#[test]
fn without_a_predecessor_the_file_and_the_remedy_are_named_and_nothing_is_touched() {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(above.path()).unwrap();
    for text in ["", "{", "{\"format\":1}", "{\"format\":1,\"content\":[13]}"] {
        std::fs::write(folder.file(NAME), text).unwrap();
        let complaint = precious_one(&folder).unwrap_err();
        assert!(
            complaint.contains(NAME) && complaint.contains("mend it"),
            "{complaint}"
        );
        assert_eq!(std::fs::read_to_string(folder.file(NAME)).unwrap(), text);
    }
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(above.path()).unwrap();
    write_precious(&folder, NAME, BYTES_MAX, &vec![1]).unwrap();
    write_precious(&folder, NAME, BYTES_MAX, &vec![2]).unwrap();
    let later = "{\"format\":2,\"content\":{\"new\":true}}";
    std::fs::write(folder.file(NAME), later).unwrap();
    assert!(
        precious_one(&folder)
            .unwrap_err()
            .contains("another version")
    );
    assert_eq!(handy::<Content>(&folder, NAME, 1_000), None);
    assert_eq!(std::fs::read_to_string(folder.file(NAME)).unwrap(), later);
}

#[test]
fn what_only_saves_time_is_put_aside_when_it_is_damaged() {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(above.path()).unwrap();
    write(&folder, NAME, BYTES_MAX, &vec![1]).unwrap();
    assert_eq!(handy::<Content>(&folder, NAME, 1_000), Some(vec![1]));
    assert_eq!(handy::<Content>(&folder, NAME, 10), None);
    assert!(folder.file(NAME).exists());
    std::fs::write(folder.file(NAME), "half").unwrap();
    assert_eq!(handy::<Content>(&folder, NAME, 1_000), None);
    assert!(!folder.file(NAME).exists());
    assert!(folder.file("x.json.damaged-1").exists());
}

#[test]
fn nothing_is_written_that_could_not_be_read_again() {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(above.path()).unwrap();
    write_precious(&folder, NAME, BYTES_MAX, &vec![1]).unwrap();
    let large = vec![1_000_000; 200];
    let complaint = write_precious(&folder, NAME, BYTES_MAX, &large).unwrap_err();
    assert!(complaint.contains("1000 bytes"), "{complaint}");
    assert_eq!(precious_one(&folder), Ok(Some(vec![1])));
}

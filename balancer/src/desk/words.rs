//! What the operator's page says, in the languages that it speaks. Pure.
//!
//! A text that is missing in one language does not compile.

use crate::language::Language;

impl Language {
    /// Everything that the page says.
    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        }
    }
}

macro_rules! words {
    ($($name:ident: $english:literal, $german:literal;)*) => {
        /// Everything that the page says, in one language.
        #[derive(Debug)]
        pub struct Words {
            $(#[doc = $english] pub $name: &'static str,)*
        }

        const ENGLISH: Words = Words { $($name: $english,)* };
        const GERMAN: Words = Words { $($name: $german,)* };
    };
}

words! {
    // Everywhere.
    desk: "Balancer", "Verteiler";
    program: "Plenum Balancer", "Plenum-Verteiler";
    skip: "Skip to the content", "Zum Inhalt";
    sections: "Sections", "Bereiche";
    relays: "Relays", "Relays";
    history: "History", "Verlauf";
    explain: "Explain", "Erklären";
    other_language: "Deutsch", "English";
    other_language_tag: "de", "en";
    sign_out: "Sign out", "Abmelden";
    yes: "yes", "ja";
    no: "no", "nein";
    unknown: "unknown", "unbekannt";
    seconds: "s", "s";

    // Signing in.
    sign_in: "Sign in", "Anmelden";
    sign_in_hint: "User and password stand in balancer.toml, under [operator].", "Benutzer und Passwort stehen in balancer.toml unter [operator].";
    user: "User", "Benutzer";
    password: "Password", "Passwort";
    wrong_password: "Wrong user or password.", "Benutzer oder Passwort ist falsch.";
    other_site: "This was not sent from this page, so nothing was done. Open the page anew and try again.", "Das kam nicht von dieser Seite, darum ist nichts geschehen. Bitte die Seite neu öffnen und noch einmal versuchen.";

    // The relays.
    relay: "Relay", "Relay";
    state: "State", "Zustand";
    listeners: "Listeners", "Hörer";
    on_their_way: "On their way", "Unterwegs";
    places: "Places", "Plätze";
    free_places: "Free places", "Freie Plätze";
    last_report: "Last report", "Letzter Bericht";
    everywhere: "everywhere", "überall";
    where_it_is: "Where", "Wo";
    address: "Address", "Adresse";
    bias: "Bias", "Bevorzugung";
    no_relays: "There are no relays yet.", "Es gibt noch keine Relays.";
    all_relays: "All relays", "Alle Relays";
    right_now: "Right now", "Im Augenblick";
    relays_reporting: "Relays that report", "Relays, die berichten";
    sent_since_start: "Sent to relays since the start", "Seit dem Start an Relays verwiesen";
    to_master_since_start: "Sent to the master since the start", "Seit dem Start an den Master verwiesen";
    rejected_since_start: "Sent nowhere since the start", "Seit dem Start abgewiesen";
    never: "never", "nie";
    ago: "ago", "her";
    removed_relays: "Removed here, but still in balancer.toml", "Hier entfernt, aber noch in balancer.toml";
    take_back: "Take back", "Wieder aufnehmen";
    last_changes: "Last changes", "Letzte Änderungen";
    no_changes: "Nothing has been changed yet.", "Noch wurde nichts geändert.";
    when: "When (UTC)", "Wann (UTC)";
    what: "What", "Was";
    kept_nowhere: "Changes are in force until the next restart only: set state_directory in balancer.toml to keep them.", "Änderungen gelten nur bis zum nächsten Neustart: Mit state_directory in balancer.toml bleiben sie erhalten.";
    not_kept: "Changes are in force, but could not be written to disk, so the next restart forgets them:", "Änderungen gelten, ließen sich aber nicht auf die Platte schreiben; der nächste Neustart vergisst sie:";

    not_shared: "What is shared with other balancers is not in order:", "Was mit anderen Verteilern geteilt wird, ist nicht in Ordnung:";
    shared_since: "Shared with other balancers since (UTC)", "Mit anderen Verteilern geteilt seit (UTC)";
    cut_off_since: "Alone since (UTC)", "Allein seit (UTC)";
    other_balancers: "Other balancers", "Andere Verteiler";

    // What was done, as it is remembered.
    done_added: "added", "hinzugefügt";
    done_taken_back: "taken back", "wieder aufgenommen";
    done_removed: "removed", "entfernt";
    done_put_away: "put into quarantine", "in Quarantäne gesteckt";
    done_released: "released from quarantine", "aus der Quarantäne entlassen";
    done_disabled: "disabled", "abgeschaltet";
    done_enabled: "no longer disabled", "wieder eingeschaltet";
    done_draining: "draining", "wird geleert";
    done_undrained: "no longer draining", "wird nicht mehr geleert";
    done_bias: "bias {n} km", "Bevorzugung {n} km";
    done_slots: "at most {n} listeners", "höchstens {n} Hörer";
    done_no_slots: "as many listeners as it says", "so viele Hörer, wie es selbst sagt";
    done_nothing: "left as it was", "gelassen, wie es war";

    // States.
    state_unheard: "never heard of", "nie gemeldet";
    state_stale: "silent", "stumm";
    state_draining: "draining", "läuft leer";
    state_full: "full", "voll";
    state_open: "open", "offen";
    state_disabled: "disabled", "abgeschaltet";
    state_quarantined: "in quarantine", "in Quarantäne";

    // One relay.
    back_to_relays: "All relays", "Alle Relays";
    no_such_relay: "There is no such relay.", "So ein Relay gibt es nicht.";
    no_such_page: "There is no such page.", "So eine Seite gibt es nicht.";
    facts: "Facts", "Tatsachen";
    mounts: "Mounts", "Mounts";
    mount: "Mount", "Mount";
    on_air: "On air", "Auf Sendung";
    silent: "no sound", "kein Ton";
    comes_from: "Comes from", "Steht in";
    from_file: "balancer.toml", "balancer.toml";
    from_page: "this page", "dieser Seite";
    switches: "What to do with it", "Was damit geschehen soll";
    disable: "Disable", "Abschalten";
    disable_hint: "Nobody is sent there any more. Who listens goes on listening.", "Niemand wird mehr dorthin verwiesen. Wer hört, hört weiter.";
    enable: "Enable", "Einschalten";
    enable_hint: "It gets listeners again.", "Es bekommt wieder Hörer.";
    drain: "Drain", "Leeren";
    drain_hint: "For maintenance: nobody new is sent there.", "Für die Wartung: Niemand Neues wird dorthin verwiesen.";
    undrain: "End draining", "Nicht mehr leeren";
    quarantine: "Quarantine", "Quarantäne";
    quarantine_hint: "Out of use until two probes in a row find it good, or you release it.", "Außer Betrieb, bis zwei Prüfungen in Folge es gut finden oder du es freigibst.";
    release: "Release", "Freigeben";
    release_hint: "It may get listeners again; if it is still at fault, it is out again at the next check.", "Es darf wieder Hörer bekommen; ist es noch gestört, fliegt es bei der nächsten Prüfung wieder hinaus.";
    dials: "Weight and limit", "Gewicht und Grenze";
    bias_km: "Bias in km", "Bevorzugung in km";
    bias_hint: "It looks so much nearer than it is. Less than 0: farther. From −20000 to 20000.", "Um so viel näher erscheint es. Unter 0: ferner. Von −20000 bis 20000.";
    slots_max: "At most so many listeners", "Höchstens so viele Hörer";
    no_slots_max: "no limit", "ohne Grenze";
    slots_max_hint: "Empty: as many as it says itself.", "Leer: so viele, wie es selbst sagt.";
    save: "Save", "Speichern";
    saved: "Saved.", "Gespeichert.";
    remove: "Remove", "Entfernen";
    remove_hint: "Its token is worth nothing any more, and nobody is sent there.", "Sein Token gilt nicht mehr, und niemand wird dorthin verwiesen.";
    remove_sure: "I am sure", "Ja, wirklich";
    remove_unsure: "Tick “I am sure” to remove a relay.", "Zum Entfernen bitte „Ja, wirklich“ ankreuzen.";
    evidence: "Evidence", "Belege";
    put_away_by_operator: "the operator put it away", "der Betreiber hat es beiseite genommen";
    at_least_still: "At least for another", "Mindestens noch";
    family_down: "Probes got nothing, so nobody who needs it is sent there:", "Prüfungen bekamen nichts, also wird niemand hinverwiesen, der es braucht:";
    direct_per_second: "Come a second without being sent", "Kommen je Sekunde unverwiesen";
    names_arrivals: "Says who arrived", "Sagt, wer ankam";

    // Adding one.
    add: "Add a relay", "Relay hinzufügen";
    add_hint: "It gets a token, which is shown once.", "Es bekommt ein Token, das einmal gezeigt wird.";
    name: "Name", "Name";
    name_hint: "1 to 64 letters, digits and . _ -", "1 bis 64 Buchstaben, Ziffern und . _ -";
    url: "Its only address (optional)", "Seine einzige Adresse (freiwillig)";
    url_hint: "Such as http://berlin-1.example:8000. Empty: what it reports.", "Etwa http://berlin-1.example:8000. Leer: was es berichtet.";
    latitude: "Degrees north (optional)", "Grad Nord (freiwillig)";
    longitude: "Degrees east (optional)", "Grad Ost (freiwillig)";
    country: "Country, two letters (optional)", "Land, zwei Buchstaben (freiwillig)";
    added: "The relay has been added", "Das Relay ist hinzugefügt";
    token_once: "This token is shown now and never again. Give it to the relay's operator over a channel you trust.", "Dieses Token wird jetzt gezeigt und nie wieder. Gib es dem Betreiber des Relays auf einem Weg, dem du traust.";
    snippet: "What he writes into relay.toml:", "Das schreibt er in relay.toml:";
    token: "Token", "Token";
    restart_relay: "After a restart of the relay it appears here as open.", "Nach einem Neustart des Relays erscheint es hier als offen.";

    // Complaints.
    no_chance: "The system has no random numbers.", "Das System hat keine Zufallszahlen.";
    mistake: "That did not work", "Das ging nicht";
    bad_name: "This name cannot be one: 1 to 64 letters, digits and . _ -", "So kann ein Relay nicht heißen: 1 bis 64 Buchstaben, Ziffern und . _ -";
    name_taken: "There is a relay of that name already.", "Ein Relay dieses Namens gibt es schon.";
    too_many: "There are as many relays as the balancer can take.", "Mehr Relays kann der Verteiler nicht aufnehmen.";
    bad_bias: "The bias must be a number from −20000 to 20000.", "Die Bevorzugung muss eine Zahl von −20000 bis 20000 sein.";
    bad_slots: "The limit must be a whole number, or empty.", "Die Grenze muss eine ganze Zahl sein oder leer.";
    bad_place: "Latitude goes from −90 to 90 and longitude from −180 to 180; give both or neither.", "Nord geht von −90 bis 90, Ost von −180 bis 180; beide oder keines.";
    bad_country: "The country must be two letters that are one.", "Das Land muss aus zwei Buchstaben bestehen, die eines sind.";
    bad_url: "The address must be http://host:port or https://host:port and nothing behind it.", "Die Adresse muss http://host:port oder https://host:port sein und nichts dahinter.";
    bad_form: "The form was not complete.", "Das Formular war nicht vollständig.";

    // The history.
    last_day: "The last 24 hours", "Die letzten 24 Stunden";
    day_ago: "24 h ago", "vor 24 h";
    half_day_ago: "12 h ago", "vor 12 h";
    now: "now", "jetzt";
    nothing_yet: "nothing yet", "noch nichts";
    listeners_and_free: "Listeners and free places", "Hörer und freie Plätze";
    redirects_a_minute: "Redirects a minute", "Verweise je Minute";
    rejected_a_minute: "Rejected a minute", "Abgewiesene je Minute";
    regret: "Avoidable kilometres (regret)", "Vermeidbare Kilometer";
    regret_meaning: "How much farther, on average, the last listeners were sent than the best possible assignment of the same listeners to the same places would have sent them.", "Um so viel weiter wurden die letzten Hörer im Mittel verwiesen, als es die bestmögliche Verteilung derselben Hörer auf dieselben Plätze getan hätte.";
    mean_distance: "Mean distance of the last redirects", "Mittlere Entfernung der letzten Verweise";
    best_distance: "Best possible", "Bestmöglich";
    regret_now: "Avoidable", "Vermeidbar";
    redirects_looked_at: "Redirects looked at", "Betrachtete Verweise";
    highest: "highest", "höchstens";
    latest: "now", "jetzt";
    by_hour: "As a table, hour by hour", "Als Tabelle, Stunde für Stunde";
    hour: "Hour (UTC)", "Stunde (UTC)";
    most_listeners: "Most listeners", "Meiste Hörer";
    least_free: "Fewest free places", "Wenigste freie Plätze";
    redirects: "Redirects", "Verweise";
    rejected: "Rejected", "Abgewiesen";
    mean_regret: "Mean avoidable km", "Mittlere vermeidbare km";

    // Explaining.
    explain_hint: "Where would somebody be sent, and why? The address is looked up in memory and forgotten.", "Wohin würde jemand verwiesen, und warum? Die Adresse wird im Speicher nachgeschlagen und vergessen.";
    ip_address: "Address of a listener", "Adresse eines Hörers";
    ip_hint: "Such as 192.0.2.7 or 2001:db8::7.", "Etwa 192.0.2.7 oder 2001:db8::7.";
    comes_by: "Comes by", "Kommt über";
    bad_address: "That is no address.", "Das ist keine Adresse.";
    bad_mount: "There is no such mount.", "So einen Mount gibt es nicht.";
    outcome: "What comes out", "Was herauskommt";
    chosen: "Would be sent to", "Würde verwiesen an";
    nowhere: "nowhere", "nirgendwohin";
    listener_is: "Is at", "Ist bei";
    verdicts: "Every relay, seen from there", "Alle Relays, von dort gesehen";
    excluded: "Out of the question", "Kommt nicht in Frage";
    terms_hint: "Everything counts in kilometres; the smallest sum wins. Of sums that are hardly different, the emptiest relay wins.", "Alles zählt in Kilometern; die kleinste Summe gewinnt. Von kaum verschiedenen Summen gewinnt das leerste Relay.";
    total: "Sum", "Summe";
    distance: "Distance", "Entfernung";
    price: "Price of a place", "Preis eines Platzes";
    country_term: "Country", "Land";
    network_term: "Network", "Netz";
    family_term: "IPv4/IPv6", "IPv4/IPv6";
    health_term: "Complaints", "Klagen";
    bias_term: "Bias", "Bevorzugung";
    utilisation: "Taken", "Belegt";
    look: "Look", "Nachsehen";
    why_removed: "removed", "entfernt";
    why_unheard: "has never reported", "hat nie berichtet";
    why_stale: "has not reported lately", "hat länger nicht berichtet";
    why_no_mount: "does not have this mount", "hat diesen Mount nicht";
    why_not_on_air: "no sound arrives there", "dort kommt kein Ton an";
    why_disabled: "disabled by the operator", "vom Betreiber abgeschaltet";
    why_draining: "is being taken down", "läuft leer";
    why_quarantined: "in quarantine", "in Quarantäne";
    why_wrong_scheme: "does not speak http or https as asked", "spricht nicht http oder https wie gefragt";
    why_wrong_family: "cannot be reached over his kind of address", "über seine Art Adresse nicht erreichbar";
    why_family_down: "probes got nothing over his kind of address", "Prüfungen bekamen über seine Art Adresse nichts";
    why_country_denied: "not for this country", "nicht für dieses Land";
    why_sent_back: "has just sent him back", "hat ihn eben zurückgeschickt";
    why_not_reached: "he did not get there a moment ago", "dort kam er eben nicht an";
    why_unproven: "too many on their way to a relay that has not proved itself", "zu viele unterwegs zu einem Relay, das sich noch nicht bewährt hat";
    why_full: "all places taken or promised", "alle Plätze belegt oder versprochen";
}

impl Words {
    /// What was done, which is remembered in English.
    pub fn done(&self, what: &str) -> String {
        let done: Vec<_> = what.split(", ").map(|part| self.part_done(part)).collect();
        done.join(", ")
    }

    fn part_done(&self, part: &str) -> String {
        let each: [fn(&Self) -> &'static str; 13] = [
            |w| w.done_added,
            |w| w.done_taken_back,
            |w| w.done_removed,
            |w| w.done_put_away,
            |w| w.done_released,
            |w| w.done_disabled,
            |w| w.done_enabled,
            |w| w.done_draining,
            |w| w.done_undrained,
            |w| w.done_bias,
            |w| w.done_slots,
            |w| w.done_no_slots,
            |w| w.done_nothing,
        ];
        let said = each.iter().find_map(|text| {
            let english = text(&ENGLISH);
            let (start, end) = english.split_once("{n}").unwrap_or((english, ""));
            let number = part.strip_prefix(start)?.strip_suffix(end)?;
            let is_it = english.contains("{n}") || number.is_empty();
            is_it.then(|| text(self).replace("{n}", number))
        });
        said.unwrap_or_else(|| part.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_names_the_other() {
        for language in [Language::English, Language::German] {
            let other = Language::of_tag(language.words().other_language_tag).unwrap();
            assert_ne!(other, language);
        }
    }
}

//! Web servers for an app with `config.ru`, and how each is run: on every address, on the port that
//! the platform gives, in the foreground, and without a file in the app's folder.

use crate::app::App;
use fs_err as fs;

/// A web server, named as its gem.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebServer {
    Puma,
    Falcon,
    Unicorn,
    Thin,
    Webrick,
}

/// In this order where an app has several: `webrick` may be there for tests alone.
const ALL: [(&str, WebServer); 5] = [
    ("puma", WebServer::Puma),
    ("falcon", WebServer::Falcon),
    ("unicorn", WebServer::Unicorn),
    ("thin", WebServer::Thin),
    ("webrick", WebServer::Webrick),
];

/// The files of Puma's settings in production. Puma reads the first that is there.
const PUMA_SETTINGS: [&str; 2] = ["config/puma/production.rb", "config/puma.rb"];

/// Where Unicorn's users have its settings.
const UNICORN_SETTINGS: &str = "config/unicorn.rb";

impl WebServer {
    /// The server of an app with these gems.
    pub fn of(has_gem: &dyn Fn(&str) -> bool) -> Option<Self> {
        let found = ALL.iter().find(|(gem, _)| has_gem(gem));
        found.map(|(_, server)| *server)
    }

    /// The command of `web`.
    #[must_use]
    pub fn command(self, app: &App) -> String {
        const PORT: &str = "${PORT:-8080}";
        match self {
            // Rails' own command would make folders and a file for its process in the app.
            Self::Puma => {
                let process_file = if puma_names_a_process_file(app) {
                    "PIDFILE=${PIDFILE:-/dev/shm/puma.pid} "
                } else {
                    ""
                };
                format!("{process_file}bundle exec puma -b tcp://0.0.0.0:{PORT}")
            }
            Self::Falcon => format!("bundle exec falcon serve --bind http://0.0.0.0:{PORT}"),
            Self::Unicorn => {
                let settings = if app.dir.join(UNICORN_SETTINGS).is_file() {
                    format!(" -c {UNICORN_SETTINGS}")
                } else {
                    String::new()
                };
                format!("bundle exec unicorn -o 0.0.0.0 -p {PORT}{settings}")
            }
            Self::Thin => format!("bundle exec thin start -a 0.0.0.0 -p {PORT}"),
            Self::Webrick => format!("bundle exec rackup -s webrick -o 0.0.0.0 -p {PORT}"),
        }
    }
}

/// Whether the settings have a default for the variable `PIDFILE`: new Rails apps had one before
/// Rails 7.2, in the app's `tmp/pids`.
fn puma_names_a_process_file(app: &App) -> bool {
    let mut settings = PUMA_SETTINGS.iter().map(|name| app.dir.join(name));
    settings
        .find_map(|path| fs::read_to_string(path).ok())
        .is_some_and(|text| {
            let code = |line: &&str| !line.trim_start().starts_with('#');
            text.lines()
                .filter(code)
                .any(|line| line.contains("ENV.fetch(\"PIDFILE\")"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(gems: &[&str], files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let server = WebServer::of(&|name| gems.contains(&name))?;
        Some(server.command(&App::new(folder.path())))
    }

    #[test]
    fn each_server_is_run_as_its_users_run_it() {
        let commands = ["puma", "falcon", "unicorn", "thin", "webrick"]
            .map(|gem| command(&[gem, "rack"], &[]).unwrap());
        insta::assert_snapshot!(commands.join("\n"), @r"
        bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}
        bundle exec falcon serve --bind http://0.0.0.0:${PORT:-8080}
        bundle exec unicorn -o 0.0.0.0 -p ${PORT:-8080}
        bundle exec thin start -a 0.0.0.0 -p ${PORT:-8080}
        bundle exec rackup -s webrick -o 0.0.0.0 -p ${PORT:-8080}
        ");
        assert_eq!(command(&["rack", "rackup"], &[]), None);
        assert_eq!(command(&["webrick", "puma"], &[]), command(&["puma"], &[]));
        let settings = [("config/unicorn.rb", "")];
        assert_eq!(
            command(&["unicorn"], &settings).unwrap(),
            "bundle exec unicorn -o 0.0.0.0 -p ${PORT:-8080} -c config/unicorn.rb"
        );
    }

    #[test]
    fn pumas_file_is_elsewhere_where_its_settings_have_it_in_the_app() {
        const OLD: &str = "pidfile ENV.fetch(\"PIDFILE\") { \"tmp/pids/server.pid\" }\n";
        const NEW: &str = "pidfile ENV[\"PIDFILE\"] if ENV[\"PIDFILE\"]\n";
        let elsewhere = "PIDFILE=${PIDFILE:-/dev/shm/puma.pid} \
                         bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}";
        let plain = "bundle exec puma -b tcp://0.0.0.0:${PORT:-8080}";
        for (files, expected) in [
            (vec![("config/puma.rb", OLD)], elsewhere),
            (vec![("config/puma/production.rb", OLD)], elsewhere),
            (
                vec![("config/puma.rb", OLD), ("config/puma/production.rb", NEW)],
                plain,
            ),
            (vec![("config/puma.rb", NEW)], plain),
            (
                vec![("config/puma.rb", "# pidfile ENV.fetch(\"PIDFILE\")\n")],
                plain,
            ),
            (vec![], plain),
        ] {
            assert_eq!(command(&["puma"], &files).unwrap(), expected, "{files:?}");
        }
    }
}

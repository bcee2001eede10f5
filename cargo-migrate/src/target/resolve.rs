//! The search for each database's URL, and the check that no two targets write
//! into one history table.

use std::collections::HashMap;
use std::path::Path;

use migrate_core::Dialect;
use migrate_runtime::DatabaseUrl;

use super::command;
use super::dotenv::{Dotenv, DotenvError, Lookup};
use super::problem::{SharedHistory, TargetError, Unresolved, UnresolvedProblem};
use super::{Request, Resolution, Surroundings, Target, UrlOrigin, label};
use crate::config::{Database, Secret, Service, UNNAMED_DATABASE};

pub(super) fn resolve(
    services: &[Service],
    request: &Request,
    around: &Surroundings,
) -> Result<Resolution, TargetError> {
    let wanted = wanted(services, request)?;
    let mut dotenv = Dotenv::default();
    let mut found: Vec<Search> = wanted
        .iter()
        .map(|(service, database)| search(service, database, request, around, &mut dotenv))
        .collect();
    run_commands(&wanted, &mut found, around);

    let mut resolution = Resolution::default();
    for ((service, database), search) in wanted.into_iter().zip(found) {
        match target(service, database, request, search) {
            Ok(target) => resolution.targets.push(target),
            Err(problem) => resolution.unresolved.push(Unresolved {
                service: service.name.clone(),
                database: database.name.clone(),
                problem,
            }),
        }
    }
    match shared(&resolution.targets) {
        shared if shared.is_empty() => Ok(resolution),
        shared => Err(TargetError::SharedHistory(shared)),
    }
}

fn wanted<'s>(
    services: &'s [Service],
    request: &Request,
) -> Result<Vec<(&'s Service, &'s Database)>, TargetError> {
    let all = services.iter().flat_map(|service| {
        service
            .databases
            .iter()
            .map(move |database| (service, database))
    });
    let name = |database: &Database| {
        database
            .name
            .clone()
            .unwrap_or_else(|| UNNAMED_DATABASE.to_owned())
    };
    let wanted: Vec<_> = all
        .filter(|(_, database)| {
            request
                .database
                .as_ref()
                .is_none_or(|wanted| *wanted == name(database))
        })
        .collect();
    if let Some(wanted_name) = request.database.as_ref().filter(|_| wanted.is_empty()) {
        let mut there: Vec<String> = services
            .iter()
            .flat_map(|service| &service.databases)
            .map(name)
            .collect();
        there.sort();
        there.dedup();
        if there == [UNNAMED_DATABASE] {
            there.clear();
        }
        return Err(TargetError::NoSuchDatabase {
            wanted: wanted_name.clone(),
            there,
        });
    }
    if request.database_url.is_some() && wanted.len() > 1 {
        let targets = wanted
            .iter()
            .map(|(service, database)| label(&service.name, database.name.as_deref()))
            .collect();
        return Err(TargetError::UrlForSeveral { targets });
    }
    Ok(wanted)
}

/// What the search for one URL came to.
enum Search {
    Found(DatabaseUrl, UrlOrigin),
    /// The command has to be asked; the mistake counts if there is none.
    AskCommand,
    Default(Option<DotenvError>),
    Failed(UnresolvedProblem),
}

fn search(
    service: &Service,
    database: &Database,
    request: &Request,
    around: &Surroundings,
    dotenv: &mut Dotenv,
) -> Search {
    if let Some(text) = &request.database_url {
        return parsed(text.expose(), UrlOrigin::Flag, &around.directory);
    }
    let mut mistake = None;
    for variable in &database.url.variables {
        match (around.variable)(variable).map(|value| value.into_string()) {
            Some(Err(_)) => {
                return Search::Failed(UnresolvedProblem::NotUtf8 {
                    variable: variable.clone(),
                });
            }
            Some(Ok(text)) if !text.trim().is_empty() => {
                let origin = UrlOrigin::Environment {
                    variable: variable.clone(),
                };
                return parsed(&text, origin, &around.directory);
            }
            Some(Ok(_)) | None => {}
        }
        for root in [&service.root, &around.workspace_root] {
            let path = root.join(".env");
            match dotenv.lookup(&path, variable) {
                Lookup::Set(text) => {
                    return parsed(
                        &text,
                        UrlOrigin::EnvFile {
                            variable: variable.clone(),
                            path,
                        },
                        root,
                    );
                }
                // The next source would be another database than is meant.
                Lookup::Hidden(mistake) => {
                    return Search::Failed(UnresolvedProblem::Dotenv(mistake));
                }
                Lookup::Mistake(found) => mistake = mistake.or(Some(found)),
                Lookup::Unset => {}
            }
        }
    }
    if database.url.command.is_some() {
        Search::AskCommand
    } else {
        Search::Default(mistake)
    }
}

fn parsed(text: &str, origin: UrlOrigin, base: &Path) -> Search {
    match DatabaseUrl::parse(text) {
        Ok(url) => Search::Found(url.resolve_from(base), origin),
        Err(reason) => Search::Failed(UnresolvedProblem::BadUrl { origin, reason }),
    }
}

fn run_commands(wanted: &[(&Service, &Database)], found: &mut [Search], around: &Surroundings) {
    let asking = || {
        found
            .iter()
            .enumerate()
            .filter(|(_, search)| matches!(search, Search::AskCommand))
    };
    let indices: Vec<usize> = asking().map(|(index, _)| index).collect();
    let commands: Vec<(&str, &Path)> = indices
        .iter()
        .map(|&index| {
            let (service, database) = wanted[index];
            (
                database.url.command.as_ref().map_or("", Secret::expose),
                service.root.as_path(),
            )
        })
        .collect();
    for (index, answer) in indices.into_iter().zip(command::run_all(&commands)) {
        found[index] = match answer {
            Ok(text) => parsed(&text, UrlOrigin::Command, &around.workspace_root),
            Err(error) => Search::Failed(UnresolvedProblem::Command(error)),
        };
    }
}

fn target(
    service: &Service,
    database: &Database,
    request: &Request,
    search: Search,
) -> Result<Target, UnresolvedProblem> {
    let variables = || database.url.variables.clone();
    let (url, url_origin) = match search {
        Search::Found(url, origin) => (url, origin),
        Search::Failed(problem) => return Err(problem),
        Search::AskCommand | Search::Default(_) => match (&database.url.default, search) {
            (Some(url), _) => (url.clone(), UrlOrigin::Default),
            (None, Search::Default(Some(mistake))) => {
                return Err(UnresolvedProblem::Dotenv(mistake));
            }
            (None, _) => {
                return Err(UnresolvedProblem::NoUrl {
                    variables: variables(),
                });
            }
        },
    };
    let dialect = url.dialect();
    if let Some(wanted) = request
        .backend
        .or(database.backend)
        .filter(|wanted| *wanted != dialect)
    {
        return Err(UnresolvedProblem::OtherBackend {
            origin: url_origin,
            found: dialect,
            wanted,
            variables: variables(),
        });
    }
    let directories = database
        .directories_for(dialect)
        .map_err(UnresolvedProblem::Directory)?;
    let mut settings = database.settings.clone();
    settings.schema = settings.schema.filter(|_| dialect == Dialect::Postgres);
    Ok(Target {
        service: service.name.clone(),
        database: database.name.clone(),
        root: service.root.clone(),
        dialect,
        directories,
        url,
        url_origin,
        settings,
    })
}

fn shared(targets: &[Target]) -> Vec<SharedHistory> {
    let mut seen: HashMap<(String, Option<&str>, &str), &Target> = HashMap::new();
    let mut shared = Vec::new();
    for target in targets {
        // Each connection in memory has a database of its own.
        if target.dialect == Dialect::Sqlite && target.url.sqlite_path().is_none() {
            continue;
        }
        let table = target.settings.history_table.as_str();
        let key = (
            target.url.identity(),
            target.settings.schema.as_deref(),
            table,
        );
        if let Some(first) = seen.get(&key) {
            shared.push(SharedHistory {
                first: first.label(),
                second: target.label(),
                table: table.to_owned(),
                origins: [first.url_origin.clone(), target.url_origin.clone()],
                dialect: target.dialect,
            });
            continue;
        }
        seen.insert(key, target);
    }
    shared
}

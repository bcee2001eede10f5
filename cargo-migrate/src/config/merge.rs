//! From the tables of the manifests to services: workspace defaults below
//! package overrides, diesel.toml where nothing is configured, and the
//! directories that are really there.

use std::path::{Component, Path, PathBuf};

use super::diesel::DieselToml;
use super::directory::{MigrationsDirectory, TwoOfOneBackend};
use super::finding::{ConfigError, ConfigFinding, Problem, Spot};
use super::layer::{self, Layer, PackageLayer, SERVICE_KEY, Standing};
use super::{Database, Purpose, Secret, Service, Settings, UrlSources};
use crate::workspace::{Choice, Chosen, Member, Workspace};

const DEFAULT_DIRECTORY: &str = "migrations";

pub(super) fn services(
    workspace: &Workspace,
    chosen: &Chosen<'_>,
    purpose: Purpose,
) -> Result<Vec<Service>, ConfigError> {
    let mut findings = Vec::new();
    let context = Context::read(workspace, &mut findings);
    let mut services = Vec::new();
    let mut without = Vec::new();
    let mut merged = Vec::new();
    for &(member, choice) in &chosen.members {
        match (context.set(member, &mut findings), choice, purpose) {
            (Some((service, Standing::Service)), _, _)
            | (Some((service, Standing::Merged)), Choice::Named, Purpose::Files) => {
                services.push(service);
            }
            (Some((_, Standing::Merged)), Choice::Named, Purpose::Databases) => {
                findings.push(context.no_service(member));
            }
            (Some((_, Standing::Merged)), Choice::Swept, _) => merged.push(member.name.clone()),
            (None, Choice::Named, _) => without.push(member.name.clone()),
            (None, Choice::Swept, _) => {}
        }
    }
    if !findings.is_empty() {
        return Err(ConfigError::Invalid(findings));
    }
    if !without.is_empty() {
        return Err(ConfigError::NoMigrations {
            names: without,
            services: names_of_services(workspace),
        });
    }
    if services.is_empty() {
        return Err(ConfigError::NoService {
            services: names_of_services(workspace),
            merged,
        });
    }
    Ok(services)
}

pub(super) fn names_of_services(workspace: &Workspace) -> Vec<String> {
    let mut findings = Vec::new();
    let context = Context::read(workspace, &mut findings);
    let services = workspace
        .members
        .iter()
        .filter_map(|member| context.service(member, &mut findings));
    services.map(|service| service.name).collect()
}

pub(super) fn service_of(
    workspace: &Workspace,
    member: &Member,
) -> Result<Option<Service>, ConfigError> {
    let mut findings = Vec::new();
    let service = Context::read(workspace, &mut findings).service(member, &mut findings);
    if findings.is_empty() {
        Ok(service)
    } else {
        Err(ConfigError::Invalid(findings))
    }
}

/// What all members share.
struct Context<'w> {
    workspace: &'w Workspace,
    defaults: Layer,
    /// The workspace's diesel.toml, where it is not a member's own.
    diesel: DieselToml,
}

impl<'w> Context<'w> {
    fn read(workspace: &'w Workspace, findings: &mut Vec<ConfigFinding>) -> Self {
        let mut problems = Vec::new();
        let defaults = layer::workspace(&workspace.metadata, &mut problems);
        let manifest = workspace.manifest();
        findings.extend(
            problems
                .into_iter()
                .map(|problem| problem.located(&manifest)),
        );
        let diesel = DieselToml::read(&workspace.root).unwrap_or_else(|finding| {
            findings.push(finding);
            None
        });
        Self {
            workspace,
            defaults,
            diesel: diesel.unwrap_or_default(),
        }
    }

    /// The service that `member` is; none if it has no migrations, or says that
    /// it is none.
    fn service(&self, member: &Member, findings: &mut Vec<ConfigFinding>) -> Option<Service> {
        let (service, standing) = self.set(member, findings)?;
        (standing == Standing::Service).then_some(service)
    }

    /// The same, whatever `member` says.
    fn set(
        &self,
        member: &Member,
        findings: &mut Vec<ConfigFinding>,
    ) -> Option<(Service, Standing)> {
        let mut problems = Vec::new();
        let configured = layer::package(&member.metadata, &mut problems);
        findings.extend(problems.into_iter().map(|problem| {
            let message = format!("{}: {}", member.name, problem.message);
            Problem { message, ..problem }.located(&member.manifest)
        }));
        let diesel = self.diesel(member, findings);
        let PackageLayer {
            main,
            databases: named,
            standing,
        } = configured.clone().unwrap_or_default();
        let layer = main.clone().over(&self.defaults);

        let mut databases = Vec::new();
        let configured = main.directory.is_some() || (configured.is_some() && named.is_empty());
        if let Some(paths) = self.main_directories(member, &layer, &diesel, configured) {
            let schema_file = diesel.schema.clone();
            databases.push(self.database(
                member,
                None,
                layer.clone(),
                &paths,
                schema_file,
                findings,
            )?);
        }
        for (name, own) in named {
            let paths: Vec<PathBuf> = own
                .directory
                .iter()
                .flatten()
                .map(|path| member.root.join(path))
                .collect();
            let layer = own.over(&layer.clone().behaviour());
            databases.push(self.database(member, Some(name), layer, &paths, None, findings)?);
        }
        if databases.is_empty() {
            return None;
        }
        let service = Service {
            name: member.name.clone(),
            root: member.root.clone(),
            manifest: member.manifest.clone(),
            databases,
        };
        Some((service, standing))
    }

    /// A member that was named, and says that it is none.
    fn no_service(&self, member: &Member) -> ConfigFinding {
        let mut findings = Vec::new();
        let services = self
            .workspace
            .members
            .iter()
            .filter_map(|other| self.service(other, &mut findings));
        let merging = services.filter(|service| {
            let mut directories = service.databases.iter().flat_map(|one| &one.directories);
            directories.any(|directory| directory.path.starts_with(&member.root))
        });
        let names: Vec<String> = merging.map(|service| service.name).collect();
        let help = match &names[..] {
            [] => "name its directory in the `directory` list of a service".to_owned(),
            names => format!("select a service that merges them: {}", names.join(", ")),
        };
        let problem = Problem {
            path: SERVICE_KEY.map(str::to_owned).to_vec(),
            spot: Spot::Value,
            message: format!(
                "{} is no service: its migrations are there for others to merge",
                member.name
            ),
            help: Some(format!("{help}; or remove `service = false`")),
        };
        problem.located(&member.manifest)
    }

    /// Where the main database's migrations are; none if it has none.
    ///
    /// What is configured is meant to be there. What a diesel.toml names counts
    /// if it exists, or if nothing else does: old ones name places that are gone.
    fn main_directories(
        &self,
        member: &Member,
        layer: &Layer,
        diesel: &DieselToml,
        configured: bool,
    ) -> Option<Vec<PathBuf>> {
        let own = |path: &String| member.root.join(path);
        if let Some(paths) = &layer.directory {
            let paths: Vec<PathBuf> = paths.iter().map(own).collect();
            // A default of the workspace makes no service of a member that
            // hasn't such a directory.
            let there = configured || paths.iter().any(|path| path.is_dir());
            return there.then_some(paths);
        }
        let usual = member.root.join(DEFAULT_DIRECTORY);
        match &diesel.migrations {
            Some(path) if path.is_dir() || !usual.is_dir() => Some(vec![path.clone()]),
            _ => (configured || usual.is_dir()).then(|| vec![usual]),
        }
    }

    /// What Diesel's configuration says of `member`: its own file, or else the
    /// workspace's where that names a directory within the member.
    fn diesel(&self, member: &Member, findings: &mut Vec<ConfigFinding>) -> DieselToml {
        if member.root != self.workspace.root {
            match DieselToml::read(&member.root) {
                Ok(Some(own)) => return own,
                Ok(None) => {}
                Err(finding) => findings.push(finding),
            }
        }
        let of_member = |path: &PathBuf| {
            let holder = self.workspace.member_at(&normal(path));
            holder.is_some_and(|holder| holder.root == member.root)
        };
        let DieselToml { migrations, schema } = self.diesel.clone();
        let at_root = member.root == self.workspace.root;
        DieselToml {
            migrations: migrations.filter(|path| of_member(path) && (at_root || path.is_dir())),
            schema: schema.filter(of_member),
        }
    }

    fn database(
        &self,
        member: &Member,
        name: Option<String>,
        layer: Layer,
        paths: &[PathBuf],
        schema_file: Option<PathBuf>,
        findings: &mut Vec<ConfigFinding>,
    ) -> Option<Database> {
        let mut directories: Vec<MigrationsDirectory> = Vec::new();
        for path in paths.iter().map(|path| normal(path)) {
            // Named twice it is one, and stands where it was named last.
            directories.retain(|known| known.path != path);
            match MigrationsDirectory::look(path) {
                Ok(directory) => directories.push(directory),
                Err(two) => findings.push(two_of_one_backend(&member.name, &two)),
            }
        }
        if directories.is_empty() {
            return None;
        }
        let variables = match layer.url_env.clone() {
            Some(variable) => vec![variable],
            None => default_variables(&member.name, name.as_deref()),
        };
        let url = UrlSources {
            variables,
            command: layer.url_command.clone().map(Secret::from),
            default: layer
                .default_url
                .clone()
                .map(|url| url.resolve_from(&self.workspace.root)),
        };
        let configured = layer
            .schema_file
            .as_ref()
            .map(|path| normal(&member.root.join(path)));
        let schema_file = configured.or(schema_file);
        Some(Database {
            name,
            directories,
            backend: layer.backend,
            url,
            settings: Settings {
                schema_file,
                ..layer.settings()
            },
        })
    }
}

impl Layer {
    fn over(self, below: &Self) -> Self {
        let below = below.clone();
        Self {
            directory: self.directory.or(below.directory),
            backend: self.backend.or(below.backend),
            url_env: self.url_env.or(below.url_env),
            url_command: self.url_command.or(below.url_command),
            default_url: self.default_url.or(below.default_url),
            schema: self.schema.or(below.schema),
            out_of_order: self.out_of_order.or(below.out_of_order),
            ahead: self.ahead.or(below.ahead),
            same_version: self.same_version.or(below.same_version),
            lock_timeout: self.lock_timeout.or(below.lock_timeout),
            lock_tries: self.lock_tries.or(below.lock_tries),
            statement_timeout: self.statement_timeout.or(below.statement_timeout),
            history_table: self.history_table.or(below.history_table),
            session_setup: self.session_setup.or(below.session_setup),
            schema_file: self.schema_file.or(below.schema_file),
            shadow_url_env: self.shadow_url_env.or(below.shadow_url_env),
            bin: self.bin.or(below.bin),
            lint: self.lint.or(below.lint),
        }
    }

    /// What a further database takes over from the main one: how to migrate,
    /// not what, where and with whose SQL. Otherwise it would silently be the
    /// main one under another name.
    fn behaviour(self) -> Self {
        Self {
            out_of_order: self.out_of_order,
            ahead: self.ahead,
            same_version: self.same_version,
            lock_timeout: self.lock_timeout,
            lock_tries: self.lock_tries,
            statement_timeout: self.statement_timeout,
            history_table: self.history_table,
            bin: self.bin,
            lint: self.lint,
            ..Self::default()
        }
    }

    fn settings(self) -> Settings {
        let default = Settings::default();
        Settings {
            schema: self.schema,
            out_of_order: self.out_of_order.unwrap_or(default.out_of_order),
            ahead: self.ahead.unwrap_or(default.ahead),
            same_version: self.same_version.unwrap_or(default.same_version),
            lock_timeout: self
                .lock_timeout
                .map_or(default.lock_timeout, |limit| limit.0),
            lock_tries: self.lock_tries.unwrap_or(default.lock_tries),
            statement_timeout: self
                .statement_timeout
                .map_or(default.statement_timeout, |limit| limit.0),
            history_table: self.history_table.unwrap_or(default.history_table),
            session_setup: self.session_setup.unwrap_or_default(),
            schema_file: None,
            shadow_url_env: self.shadow_url_env,
            bin: self.bin,
            lint: self.lint.unwrap_or_default(),
        }
    }
}

/// A further database never falls back on DATABASE_URL: that is another one's.
fn default_variables(package: &str, database: Option<&str>) -> Vec<String> {
    let mut variables = vec![default_variable(package, database)];
    variables.extend(database.is_none().then(|| "DATABASE_URL".to_owned()));
    variables
}

pub(super) fn default_variable(package: &str, database: Option<&str>) -> String {
    let name = |text: &str| {
        let upper = text.chars().map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        });
        upper.collect::<String>()
    };
    match database {
        None => format!("{}_DATABASE_URL", name(package)),
        Some(database) => format!("{}_{}_DATABASE_URL", name(package), name(database)),
    }
}

fn two_of_one_backend(service: &str, two: &TwoOfOneBackend) -> ConfigFinding {
    ConfigFinding {
        file: two.second.clone(),
        excerpt: None,
        message: format!(
            "{service}: `{}` and `{}` are for the same backend",
            two.first.display(),
            two.second.display()
        ),
        help: Some("keep one of them".into()),
    }
}

/// The path without `.` and, where it leads back through a named directory,
/// without `..`: for messages, and to know a directory that is named twice.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

//! Words of films, notes and courses in Spanish, and what people ask for when they search for them: the same
//! for everything here that measures searches.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among some thousand words"
)]

use rand::RngExt as _;
use rand::rngs::StdRng;

const WORDS: &str = "álgebra análisis física química biología historia geografía lengua filosofía economía \
    programación redes sistemas operativos bases datos cálculo integral derivadas matrices determinantes \
    vectores geometría trigonometría probabilidad estadística termodinámica óptica electricidad magnetismo \
    célula genética evolución ecología república imperio revolución guerra medieval moderno contemporáneo \
    música ópera guitarra piano cuentos novela poesía teatro película serie documental capítulo temporada \
    amor noche día ciudad montaña río camino corazón sueño mañana último primera niña señor hermano padre \
    madre familia amigo viaje secreto sombra luz fuego agua tierra cielo estrella luna sol tiempo vida \
    muerte sangre casa puerta ventana calle jardín bosque mar isla barco tren avión coche bicicleta perro \
    gato caballo pájaro lobo león águila dragón rey reina princesa soldado capitán ladrón detective médico \
    profesor alumno escuela universidad biblioteca laboratorio práctica ejercicio solución examen apuntes \
    resumen esquema tema unidad lección guía manual introducción avanzado básico completo edición español \
    inglés francés alemán italiano latín griego versión original subtítulos doblaje remasterizado";

/// Words as they occur: few often, most rarely.
#[derive(Debug, Clone)]
pub struct Vocabulary(Vec<String>);

impl Vocabulary {
    /// The same words in the same order for equal dice.
    pub fn new(rng: &mut StdRng) -> Self {
        let mut words: Vec<String> = WORDS.split_whitespace().map(str::to_owned).collect();
        let syllables =
            ["ba", "ce", "di", "fo", "gu", "lla", "me", "ni", "ño", "pu", "rra", "sé", "ti", "vo", "zu"];
        // Names of people and places.
        for _ in 0..8_000 {
            let length = rng.random_range(2..5);
            words.push((0..length).map(|_| syllables[rng.random_range(0..syllables.len())]).collect());
        }
        Self(words)
    }

    /// One word.
    pub fn word(&self, rng: &mut StdRng) -> &str {
        let place: f64 = rng.random::<f64>().powi(3) * self.0.len() as f64;
        &self.0[(place as usize).min(self.0.len() - 1)]
    }

    /// So many words, with spaces between them.
    pub fn words(&self, count: usize, rng: &mut StdRng) -> String {
        (0..count).map(|_| self.word(rng)).collect::<Vec<_>>().join(" ")
    }
}

/// What people ask: words of something that they have heard of, one word, parts, slips of the finger. `at` counts
/// the questions; `names` are those of what is shared, at least one.
pub fn question(at: usize, names: &[String], words: &Vocabulary, rng: &mut StdRng) -> String {
    let name = &names[rng.random_range(0..names.len())];
    // Nobody asks for what thousands of names have.
    let of_name: Vec<&str> = name
        .split([' ', '(', ')', '[', ']'])
        .filter(|word| word.len() > 3 && !["Curso", "apuntes", "1080p", ".mkv"].contains(word))
        .collect();
    let pick = |rng: &mut StdRng| of_name[rng.random_range(0..of_name.len())];
    match at % 20 {
        0..9 => format!("{} {}", pick(rng), pick(rng)),
        9..12 => format!("{} {} {}", pick(rng), pick(rng), pick(rng)),
        12..14 => words.word(rng).to_owned(),
        14..16 => words.word(rng).chars().take(4).collect(),
        16 => words.words(2, rng),
        17 => format!("{}x {}", pick(rng), pick(rng)),
        18 => format!("tema {}", rng.random_range(1..10)),
        _ => format!("{} {}", words.word(rng).to_uppercase(), rng.random_range(1..30)),
    }
}
